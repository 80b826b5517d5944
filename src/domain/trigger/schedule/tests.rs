use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn daily(pattern: &str) -> Schedule {
    let (missed, missed_within, between) = (Missed::Once, None, None);
    Schedule { pattern: pattern.to_owned(), zone: "Europe/Zurich".to_owned(), missed, missed_within, between }
}

fn hours(text: &str) -> Hours {
    Hours::try_from(text.to_owned()).unwrap()
}

/// The times after a moment.
fn times(pattern: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = daily(pattern);
    let mut all = Vec::new();
    let mut last = at(after);
    for _ in 0..count {
        last = schedule.next(last).unwrap();
        all.push(last.to_string());
    }
    all
}

#[test]
fn a_time_in_the_gap_of_spring_comes_at_its_end_and_one_that_autumn_repeats_comes_once() {
    assert_eq!(
        times("30 2 * * *", "2026-03-28T00:00:00Z", 3),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    assert_eq!(
        times("30 2 * * *", "2026-10-24T00:00:00Z", 3),
        ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

#[test]
fn each_of_several_times_of_a_day_is_one_time() {
    assert_eq!(
        times("0,30 1-3 * * *", "2026-03-28T23:30:00Z", 5),
        [
            "2026-03-29T00:00:00Z",
            "2026-03-29T00:30:00Z",
            // 02:00, 02:30 and 03:00.
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T23:00:00Z"
        ]
    );
    assert_eq!(
        times("30 2,4 * * *", "2026-10-25T00:00:00Z", 3),
        ["2026-10-25T00:30:00Z", "2026-10-25T03:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

#[test]
fn what_is_due_every_half_hour_goes_on_over_the_changes_of_spring_and_autumn() {
    assert_eq!(
        times("*/30 * * * *", "2026-03-29T00:15:00Z", 3),
        ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]
    );
    assert_eq!(
        times("*/30 * * * *", "2026-10-25T00:15:00Z", 4),
        ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"]
    );
}

#[test]
fn one_job_stands_for_all_that_was_missed_and_says_for_how_many() {
    let schedule = daily("0 7 * * *");
    let (first, now) = (at("2026-05-01T05:00:00Z"), at("2026-05-04T06:00:00Z"));
    let decided = schedule.decide(first, now);
    let all = Firing { scheduled_at: at("2026-05-04T05:00:00Z"), first, count: 4 };
    assert_eq!((decided.fire, decided.skipped), (vec![all], None));
    assert_eq!(decided.next, Some((at("2026-05-05T05:00:00Z"), at("2026-05-05T05:00:00Z"))));
}

#[test]
fn a_time_that_is_seen_within_its_minute_is_not_missed() {
    let schedule = Schedule { missed: Missed::Skip, ..daily("0 7 * * *") };
    let first = at("2026-05-01T05:00:00Z");
    for (late, fires) in [(0, true), (13, true), (59, true), (60, false)] {
        let decided = schedule.decide(first, first + SignedDuration::from_secs(late));
        assert_eq!((decided.fire.len() == 1, decided.skipped.is_none()), (fires, fires), "{late} s");
    }
}

#[test]
fn all_that_was_missed_is_made_up_for_ten_at_most() {
    let schedule = Schedule { missed: Missed::All, ..daily("0 * * * *") };
    let decided = schedule.decide(at("2026-05-01T05:00:00Z"), at("2026-05-01T16:30:00Z"));
    assert_eq!((decided.fire.len(), decided.fire[0].scheduled_at), (10, at("2026-05-01T07:00:00Z")));
    assert_eq!(
        decided.skipped.unwrap(),
        "2 times from 2026-05-01 07:00 to 2026-05-01 08:00 were skipped: at most 10 are made up for"
    );
}

#[test]
fn what_is_later_than_it_may_be_is_skipped_and_says_so() {
    let schedule = Schedule { missed_within: Some(7_200), ..daily("0 7 * * *") };
    let first = at("2026-05-01T05:00:00Z");
    assert_eq!(schedule.decide(first, at("2026-05-01T07:00:00Z")).fire.len(), 1);
    let decided = schedule.decide(first, at("2026-05-01T07:00:01Z"));
    assert_eq!((decided.fire, decided.next.map(|(next, _)| next)), (vec![], schedule.next(first)));
    assert_eq!(decided.skipped.unwrap(), "2026-05-01 07:00 was skipped: it was more than 2h ago");
}

#[test]
fn outside_its_hours_a_time_waits_for_them_or_is_skipped() {
    let schedule = Schedule { between: Some(hours("06:00-22:00")), ..daily("0 */4 * * *") };
    // 20:00 in Zurich is inside, 00:00 and 04:00 wait until 06:00.
    let (next, look) = schedule.next_look(at("2026-05-01T18:00:00Z")).unwrap();
    assert_eq!((next, look), (at("2026-05-01T22:00:00Z"), at("2026-05-02T04:00:00Z")));
    let decided = schedule.decide(next, at("2026-05-02T03:59:00Z"));
    assert_eq!((decided.fire, decided.next), (vec![], Some((next, look))), "the clock was set");
    let decided = schedule.decide(next, look);
    assert_eq!(decided.fire, [Firing { scheduled_at: at("2026-05-02T02:00:00Z"), first: next, count: 2 }]);

    let strict = Schedule { missed: Missed::Skip, ..schedule };
    assert_eq!(strict.next_look(at("2026-05-01T18:00:00Z")), Some((next, next)));
    let decided = strict.decide(next, next);
    assert_eq!(decided.fire, []);
    assert_eq!(decided.skipped.unwrap(), "2026-05-02 00:00 was skipped: outside 06:00-22:00 it does not fire");
    let night = Schedule { between: Some(hours("22:00-06:00")), ..daily("0 12 * * *") };
    let (_, look) = night.next_look(at("2026-05-01T00:00:00Z")).unwrap();
    assert_eq!(look, at("2026-05-01T20:00:00Z"));
}

#[test]
fn a_gap_of_years_of_minutes_is_made_up_for_in_bounded_time() {
    let first = at("2016-05-01T05:00:00Z");
    let decided = daily("* * * * *").decide(first, at("2026-05-01T05:00:00Z"));
    let [firing] = &decided.fire[..] else { panic!("{decided:?}") };
    assert_eq!((firing.scheduled_at, firing.first), (at("2026-05-01T05:00:00Z"), first));
    assert_eq!(firing.count, 1_001);
    let long = daily("0 7 * * *").decide(at("2016-05-01T05:00:00Z"), at("2026-05-01T06:00:00Z"));
    assert_eq!(long.fire[0].scheduled_at, at("2026-05-01T05:00:00Z"));
    let strict = Schedule { missed: Missed::Skip, ..daily("* * * * *") };
    let skipped = strict.decide(first, at("2026-05-01T05:00:00Z")).skipped.unwrap();
    assert!(skipped.starts_with("more than "), "{skipped}");
}

#[test]
fn a_schedule_that_is_none_is_refused_with_what_to_write() {
    for (pattern, zone, part) in [
        ("soon", "UTC", "write minute, hour, day of the month, month and day of the week"),
        ("0 7 * *", "UTC", "write minute, hour"),
        ("0 0 7 * * 1", "UTC", "write minute, hour"),
        ("61 7 * * *", "UTC", "write minute, hour"),
        ("0 0 30 2 *", "UTC", "never comes"),
        ("0 7 * * *", "Europe/Zürich", "is not in the time zone database"),
    ] {
        let wrong = Schedule { zone: zone.to_owned(), ..daily(pattern) }.checked().unwrap_err();
        assert!(wrong.contains(part), "{pattern} {zone}: {wrong}");
    }
    let usual = Schedule { zone: " europe/zurich ".to_owned(), ..daily(" 0  7 * * 1-5") }.checked().unwrap();
    assert_eq!((usual.pattern.as_str(), usual.zone.as_str()), ("0 7 * * 1-5", "Europe/Zurich"));
    assert_eq!(usual.in_words(), "at 07:00, on Monday, Tuesday, Wednesday, Thursday, and Friday, Europe/Zurich");
    for text in ["06:00", "06:00-06:00", "6-25", "25:00-26:00"] {
        assert!(Hours::try_from(text.to_owned()).is_err(), "{text}");
    }
}
