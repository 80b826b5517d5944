//! Fields of the block form, and the request built from them.

use super::entry::{Entry, Key, Value};
use crate::domain::block::DEFAULT_LIMIT;
use crate::domain::{Block, BlockId};
use crate::engine::protocol::{BlockChange, BlockForm, BlockRequest, Recipient, Request};
use crate::tui::field::Field;

const LABEL: Key = Key::Block("label");
const DESCRIPTION: Key = Key::Block("description");
const TEXT: Key = Key::Block("text");
const LIMIT: Key = Key::Block("limit");
const TAGS: Key = Key::Block("tags");
const READ_ONLY: Key = Key::Block("read only");
const LOCAL_ONLY: Key = Key::Block("local only");

/// Returns the fields, filled from a block, or for a new block.
pub(super) fn entries(block: Option<&Block>) -> Vec<Entry> {
    let line = |of: fn(&Block) -> String| Value::Line(Field::line(&block.map(of).unwrap_or_default()));
    let mut entries = vec![
        Entry::new(
            LABEL,
            "Label",
            line(|block| block.label.clone()),
            "for example story",
            "By which it is named: letters, digits, - and _, no spaces. A changed label changes for all that have it.",
        ),
        Entry::new(
            DESCRIPTION,
            "Description",
            line(|block| block.description.clone()),
            "what it is for",
            "Agents read it with the block; it tells them what belongs there.",
        ),
    ];
    if block.is_none() {
        entries.push(Entry::new(
            TEXT,
            "Text",
            Value::Text(Field::lines("")),
            "empty",
            "What is in it from the beginning. Enter starts a new line; Tab goes to the next field.",
        ));
    }
    let limit = block.map_or(DEFAULT_LIMIT, |block| block.limit);
    let read_only = Value::Switch(block.is_some_and(|block| block.read_only));
    let local_only = Value::Switch(block.is_some_and(|block| block.local_only));
    entries.extend([
        Entry::new(
            LIMIT,
            "Limit",
            Value::Number(Field::line(&limit.to_string())),
            "characters",
            "The most characters that it may have.",
        ),
        Entry::new(
            TAGS,
            "Tags",
            line(|block| block.tags.join(", ")),
            "separated by commas",
            "Words of your own to tell blocks apart.",
        ),
        Entry::new(READ_ONLY, "Read only", read_only, "", "Agents may read it but not edit it. You still can."),
        Entry::new(
            LOCAL_ONLY,
            "Local only",
            local_only,
            "",
            "Its text goes to models on this machine and to no others; those see its label only.",
        ),
    ]);
    entries
}

/// Returns the fields of the first block that a new group shares.
pub(super) fn first_of_group() -> [Entry; 2] {
    [
        Entry::new(
            LABEL,
            "First block",
            Value::Line(Field::line("")),
            "none; for example story",
            "Label of a block that all agents of the group read and edit from the beginning. Empty creates none.",
        ),
        Entry::new(
            DESCRIPTION,
            "It is for",
            Value::Line(Field::line("")),
            "what belongs there",
            "The description of that block, which its agents read.",
        ),
    ]
}

/// Builds the fields of a block that were filled in or changed.
pub(super) fn form<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<BlockForm, (Key, String)> {
    let mut form = BlockForm::default();
    for entry in entries.filter(|entry| entry.is_changed()) {
        let on = matches!(entry.value, Value::Switch(true));
        match entry.key {
            LABEL => form.label = Some(entry.text()),
            DESCRIPTION => form.description = Some(entry.text()),
            TEXT => form.value = Some(entry.text()),
            LIMIT => {
                let limit = entry.text().parse().ok().filter(|limit| *limit > 0);
                let wrong = || (LIMIT, format!("the limit is a number of characters, such as {DEFAULT_LIMIT}"));
                form.limit = Some(limit.ok_or_else(wrong)?);
            }
            TAGS => {
                let text = entry.text();
                let tags = text.split(',').map(str::trim).filter(|tag| !tag.is_empty());
                form.tags = Some(tags.map(str::to_owned).collect());
            }
            READ_ONLY => form.read_only = Some(on),
            LOCAL_ONLY => form.local_only = Some(on),
            _ => {}
        }
    }
    Ok(form)
}

/// Builds the first block of a new group; `None` if no label is given.
pub(super) fn first_block<'a>(
    entries: impl Iterator<Item = &'a Entry> + Clone,
) -> Result<Option<Box<BlockForm>>, (Key, String)> {
    let form = form(entries)?;
    match (&form.label, &form.description) {
        (Some(_), _) => Ok(Some(Box::new(form))),
        (None, Some(_)) => Err((LABEL, "the block needs a label, such as story".to_owned())),
        (None, None) => Ok(None),
    }
}

/// Builds the request that lists whom the block touches.
pub(super) fn create(owner: &Recipient, form: BlockForm) -> Result<Request, (Key, String)> {
    if form.label.is_none() {
        return Err((LABEL, "a block needs a label, such as story".to_owned()));
    }
    Ok(Request::Block(Box::new(BlockRequest::Create { owner: owner.clone(), form, really: false })))
}

/// Builds the request that lists whom the changes touch; `None` without changes.
pub(super) fn change(id: &BlockId, form: BlockForm) -> Option<Request> {
    let is_changed = form != BlockForm::default();
    let change = BlockChange::Configure { form };
    is_changed.then(|| Request::Block(Box::new(BlockRequest::Change { id: id.clone(), change, really: false })))
}

/// Returns the request that does what the given one lists.
pub(super) fn really(request: Request) -> Request {
    let Request::Block(mut about) = request else { return request };
    match &mut *about {
        BlockRequest::Create { really, .. } | BlockRequest::Change { really, .. } => *really = true,
        _ => {}
    }
    Request::Block(about)
}
