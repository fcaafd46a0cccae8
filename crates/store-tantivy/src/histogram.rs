//! Counts by the time of the observation.

use std::{collections::BTreeMap, ops::ControlFlow};

use jiff::Timestamp;
use nightlatch_store::{Bucket, Selection, Step, StoreError, step_label};

use crate::{
    failure::engine_error,
    moment::{Moment, matching},
    schema::column,
};

const HOUR_SECONDS: i64 = 3_600;
const DAY_SECONDS: i64 = 86_400;

/// Counts the records of `selection` by `step`, in order of time, without empty steps.
pub(crate) fn histogram(
    moment: &Moment,
    selection: &Selection,
    step: Step,
) -> Result<Vec<Bucket>, StoreError> {
    // Months are summed from days, so that only few times go through the calendar.
    let width = if step == Step::Hour { HOUR_SECONDS } else { DAY_SECONDS };
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    moment.each_segment(selection, |slice, weight| {
        let fail = || engine_error(moment.path());
        let seconds = slice.reader.fast_fields().i64(column::SECONDS).map_err(fail())?;
        let nanos = slice.reader.fast_fields().i64(column::NANOS).map_err(fail())?;
        let whole = nanos.min_value() >= 0;
        let mut block = [0; 64];
        let mut run = (i64::MIN, 0u64);
        matching(slice, weight, &mut |docs| {
            let block = &mut block[..docs.len()];
            seconds.values.get_vals(docs, block);
            for (doc, second) in docs.iter().zip(block) {
                // Seconds are cut towards zero: before 1970 a part of a second belongs to the second before.
                let early = !whole && nanos.first(*doc).is_some_and(|nanos| nanos < 0);
                let start = (*second - i64::from(early)).div_euclid(width);
                if start != run.0 {
                    if run.1 > 0 {
                        *counts.entry(run.0).or_default() += run.1;
                    }
                    run = (start, 0);
                }
                run.1 += 1;
            }
        })
        .map_err(fail())?;
        if run.1 > 0 {
            *counts.entry(run.0).or_default() += run.1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut buckets: Vec<Bucket> = Vec::new();
    for (start, count) in counts {
        let start = Timestamp::from_second(start * width).unwrap_or(Timestamp::MIN);
        let value = step_label(start, step);
        match buckets.last_mut() {
            Some(last) if last.value == value => last.count += count,
            _ => buckets.push(Bucket { value, count }),
        }
    }
    Ok(buckets)
}
