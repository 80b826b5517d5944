//! The faults in full, with the figures of all kills in one line.

use crate::support::kill::Tally;
use crate::{crash, crash_jobs, crash_waiting, edits};

/// 1,000 sessions, 100 of each kind that waits, a backlog of 10,000 messages, and 10,000 edits of one block.
#[tokio::test(start_paused = true)]
#[ignore = "a campaign of some minutes: cargo faults"]
async fn f2_f12_in_full_nothing_is_lost_doubled_or_stuck() {
    let edits = edits::played(10_000).await;
    println!("a person and 4 agents in one block: {edits}");
    let kills = std::thread::spawn(|| {
        let mut sum = crash::killed_at_random(1_000);
        sum += crash_waiting::killed_at_random(100);
        sum += crash_jobs::backlog(10_000, 8);
        sum
    });
    let kills = kills.join().unwrap();
    let sum = Tally { acknowledged: kills.acknowledged + edits.accepted, lost: kills.lost + edits.lost, ..kills };
    println!("{sum}");
    sum.assert_sound();
}
