//! Schedules as people and programs send them: any bytes are refused in words or make a schedule that can be asked
//! about any moment, and that is written and read as the same one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_app::{Schedule, ScheduleState};
use nightlatch_asset::Timestamp;

fuzz_target!(|input: (i64, &[u8])| {
    let (second, bytes) = input;
    let Ok(schedule) = serde_json::from_slice::<Schedule>(bytes) else { return };
    if schedule.check_itself().is_err() {
        return;
    }
    let text = serde_json::to_string(&schedule).expect("a schedule is texts and numbers");
    assert_eq!(serde_json::from_str::<Schedule>(&text).ok(), Some(schedule.clone()));
    // The years that a clock can show.
    let Ok(now) = Timestamp::from_second(second.rem_euclid(4_000_000_000)) else { return };
    let state = ScheduleState { last_begun: Some(now), ..ScheduleState::default() };
    let next = schedule.next(&state).expect("its time zone is known");
    assert!(next.is_none_or(|next| next > now), "it would begin again at once");
    schedule.is_blacked_out(now).expect("its time zone is known");
});
