//! Requests of a person to send and read mail.

use crate::domain::mail::check_text;
use crate::domain::{Agent, AgentId, Change, Mail, MailId, MailKind, MailStatus, PersonId, Priority};
use crate::engine::Engine;
use crate::engine::protocol::{Reply, RequestError};

impl Engine {
    /// Sends mail from the person; the answer comes back as a reply. Mail to an agent of a paused group waits.
    pub(super) async fn send_mail(
        &self,
        to: &AgentId,
        text: String,
        priority: Priority,
        expires_in: Option<u64>,
        in_reply_to: Option<MailId>,
    ) -> Result<Reply, RequestError> {
        check_text(&text).map_err(RequestError::new)?;
        self.must::<Agent>(to.as_str(), "agent").await?;
        if let Some(about) = &in_reply_to {
            self.must::<Mail>(about.as_str(), "mail").await?;
        }
        let now = self.spans.now();
        let expires_at = match expires_in {
            None => None,
            Some(seconds) => {
                let after = i64::try_from(seconds).ok().map(jiff::SignedDuration::from_secs);
                let at = after.and_then(|after| now.checked_add(after).ok());
                Some(at.ok_or_else(|| RequestError::new(format!("an expiry of {seconds} s is too far in the future")))?)
            }
        };
        let mail = Mail {
            id: MailId::fresh(self.store.ids()),
            from: None,
            from_person: Some(PersonId::local()),
            to: Some(to.clone()),
            to_person: None,
            kind: MailKind::Request,
            status: MailStatus::Pending,
            priority,
            text,
            in_reply_to,
            sent_by: None,
            waited_for: false,
            group: None,
            run: None,
            root: None,
            depth: 0,
            error: None,
            created_at: now,
            expires_at,
        };
        let sent = self.person(vec![Change::MailSent(mail.clone())]).await?;
        // As committed: it may have been delivered since.
        let sent = sent.into_iter().find_map(|logged| match logged.change {
            Change::MailSent(mail) => Some(mail),
            _ => None,
        });
        Ok(Reply::Mail(Box::new(sent.unwrap_or(mail))))
    }

    /// Marks mail to the person as read, or takes pending mail from an agent.
    pub(super) async fn read_mail(&self, id: &MailId) -> Result<Reply, RequestError> {
        let mail = self.must::<Mail>(id.as_str(), "mail").await?;
        let to = match &mail.to {
            None => "you".to_owned(),
            Some(id) => self.store.row::<Agent>(id.as_str()).await?.map_or_else(|| id.to_string(), |agent| agent.name),
        };
        match (mail.status, &mail.to) {
            (MailStatus::Pending, _) | (MailStatus::Delivered, None) => {}
            (MailStatus::Delivered, Some(_)) => {
                return Err(RequestError::new(format!(
                    "{to} has this mail in its conversation already and reads it with its next step"
                )));
            }
            (MailStatus::Read, _) => return Err(RequestError::new("this mail has been read already")),
            (MailStatus::Expired, _) => {
                return Err(RequestError::new(format!(
                    "this mail expired before {to} could read it; it cannot be marked as read"
                )));
            }
            (MailStatus::Failed, _) => {
                let why = mail.error.as_deref().unwrap_or("its turn failed");
                return Err(RequestError::new(format!("this mail failed: {why}; there is nothing left to read")));
            }
        }
        let read = Change::MailMoved { id: id.clone(), to: MailStatus::Read, run: None, error: None };
        self.person(vec![read]).await?;
        self.mail(id).await
    }

    async fn mail(&self, id: &MailId) -> Result<Reply, RequestError> {
        Ok(Reply::Mail(Box::new(self.must::<Mail>(id.as_str(), "mail").await?)))
    }
}
