//! The order in which due jobs are claimed (J2): by priority, groups in turn, and of every eight claims one for the job
//! that has waited longest, so that no stream of urgent jobs holds up the others for ever.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::domain::{Job, JobState, Priority};

/// Of so many claims of a program, whatever their providers, the last is for the oldest job.
const CLAIMS_FOR_ONE_OF_THE_OLDEST: u64 = 8;

/// The due jobs that are not taken yet.
#[derive(Debug)]
pub struct ClaimOrder<'j>(Vec<Due<'j>>);

#[derive(Debug)]
struct Due<'j> {
    job: &'j Job,
    /// Its number among the unfinished jobs, in order of creation.
    age: usize,
    /// How many of its group run or come before it.
    nth_of_its_group: usize,
}

impl Due<'_> {
    fn rank(&self) -> (Reverse<Priority>, usize) {
        (Reverse(self.job.priority), self.nth_of_its_group)
    }
}

impl<'j> ClaimOrder<'j> {
    /// Orders those of the unfinished jobs, which are in order of creation, that are due. Groups with the fewest running
    /// jobs come first.
    #[must_use]
    pub fn new(unfinished: &'j [Job], due: &[&'j Job]) -> Self {
        let ages: BTreeMap<_, _> = unfinished.iter().enumerate().map(|(age, job)| (&job.id, age)).collect();
        let mut of_group: BTreeMap<_, usize> = BTreeMap::new();
        for job in unfinished.iter().filter(|job| matches!(job.state, JobState::Running { .. })) {
            *of_group.entry(job.group()).or_default() += 1;
        }
        let mut due: Vec<Due<'j>> = due
            .iter()
            .map(|job| {
                let nth = of_group.entry(job.group()).or_default();
                *nth += 1;
                Due { job, age: ages.get(&job.id).copied().unwrap_or(unfinished.len()), nth_of_its_group: *nth }
            })
            .collect();
        // The first is taken from the end.
        due.reverse();
        due.sort_by_key(|due| Reverse(due.rank()));
        Self(due)
    }

    /// Takes the next job, in a program that has made so many claims. One that cannot start now leaves its turn to the
    /// next.
    pub fn take_next(&mut self, claims: u64) -> Option<&'j Job> {
        let Self(due) = self;
        if claims % CLAIMS_FOR_ONE_OF_THE_OLDEST != CLAIMS_FOR_ONE_OF_THE_OLDEST - 1 {
            return due.pop().map(|due| due.job);
        }
        let (at, _) = due.iter().enumerate().min_by_key(|(_, due)| due.age)?;
        Some(due.remove(at).job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgentId, CauseKind, GroupId, JobId};

    fn job(name: &str, group: &str, priority: Priority) -> Job {
        let agent = AgentId(format!("agent-{name}"));
        let fresh = Job::new(JobId(format!("job-{name}")), agent, GroupId::from(group), CauseKind::Turn { turn: 1 });
        Job { priority, ..fresh }
    }

    fn order(jobs: &[Job], claims: u64) -> Vec<&str> {
        let due: Vec<&Job> = jobs.iter().filter(|job| job.state == JobState::Available).collect();
        let mut order = ClaimOrder::new(jobs, &due);
        let taken = (claims..).map_while(|claims| order.take_next(claims));
        taken.map(|job| job.id.as_str().trim_start_matches("job-")).collect()
    }

    #[test]
    fn the_priority_decides_then_the_group_with_the_fewest_then_the_order_of_creation() {
        let jobs = [
            job("low", "a", Priority::Low),
            Job { state: JobState::Running { epoch: 1 }, ..job("runs", "a", Priority::Normal) },
            job("first", "a", Priority::Normal),
            job("second", "b", Priority::Normal),
            job("third", "b", Priority::Normal),
            job("high", "b", Priority::High),
        ];
        // Of b one comes before the second, as one of a runs before the low one.
        assert_eq!(order(&jobs, 0), ["high", "second", "third", "first", "low"]);
    }

    #[test]
    fn of_eight_claims_one_is_for_the_oldest_job_whatever_its_priority() {
        let mut jobs = vec![job("low", "a", Priority::Low), job("normal", "a", Priority::Normal)];
        jobs.extend((0..16).map(|at| job(&at.to_string(), "a", Priority::High)));
        let high = |range: std::ops::Range<u32>| range.map(|at| at.to_string()).collect::<Vec<_>>();
        let expected = [high(0..7), vec!["low".to_owned()], high(7..14), vec!["normal".to_owned()], high(14..16)];
        assert_eq!(order(&jobs, 0), expected.concat());
        assert_eq!(order(&jobs, 7)[0], "low", "the count goes on from one look to the next");
    }
}
