//! The scheduler beside an executor that does nothing: what happens to each task is written down before.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};

use super::*;
use crate::plan::PlannedTask;
use crate::sim::PumpkinSettings;
use crate::source::Source;

/// Plays what was written down for each task, one list for each time that it is submitted; without one it is done.
#[derive(Default)]
struct Fake {
    script: HashMap<usize, VecDeque<Vec<Update>>>,
    /// How many tasks it takes on at once.
    room: usize,
    /// What is yet to happen, in this order.
    coming: VecDeque<(usize, Update)>,
    under_way: Vec<usize>,
    clock: Duration,
    submitted: Vec<(usize, Duration)>,
    cancelled: bool,
}

impl Fake {
    fn new(script: &[(usize, &[&[Update]])]) -> Self {
        let script = script.iter().map(|(task, tries)| (*task, tries.iter().map(|updates| updates.to_vec()).collect()));
        Self { script: script.collect(), room: 2, ..Self::default() }
    }

    fn order(&self) -> Vec<usize> {
        self.submitted.iter().map(|(task, _)| *task).collect()
    }
}

impl Executor for Fake {
    fn submit(&mut self, task: usize) -> Result<bool> {
        if self.under_way.len() >= self.room {
            return Ok(false);
        }
        self.under_way.push(task);
        self.submitted.push((task, self.clock));
        let written = self.script.get_mut(&task).and_then(VecDeque::pop_front);
        let updates = written.unwrap_or_else(|| vec![started(), Update::Done { seconds: 1.0 }]);
        self.coming.extend(updates.into_iter().map(|update| (task, update)));
        Ok(true)
    }

    fn poll(&mut self, patience: Duration) -> Result<Option<(usize, Update)>> {
        let next = self.coming.pop_front();
        match &next {
            Some((task, update)) if update.is_last() => self.under_way.retain(|other| other != task),
            Some(_) => {}
            None => self.clock += patience,
        }
        Ok(next)
    }

    fn cancel(&mut self) {
        self.cancelled = true;
    }

    fn now(&self) -> Duration {
        self.clock
    }
}

fn started() -> Update {
    Update::Started { worker: 0, log: "worker-0.log".into(), log_offset: 0 }
}

fn lost() -> Update {
    Update::Lost { reason: "the worker died".into() }
}

#[derive(Default)]
struct Witness {
    events: Vec<Event>,
    ends: Vec<(usize, TaskEnd)>,
}

impl Observer for Witness {
    fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    fn task_ended(&mut self, task: usize, end: &TaskEnd) {
        self.ends.push((task, end.clone()));
    }
}

impl Witness {
    fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| is(event)).count()
    }

    fn done(&self) -> Vec<usize> {
        self.ends.iter().filter(|(_, end)| *end == TaskEnd::Done).map(|(task, _)| *task).collect()
    }
}

/// Tasks by the tasks that they build on.
fn plan(upstream: &[&[usize]]) -> Plan {
    let task = |(index, upstream): (usize, &&[usize])| {
        let data = PumpkinSettings { seed: index as u64, ..PumpkinSettings::default() };
        let job = Job::Simulate { data: Source::Pumpkins(data) };
        PlannedTask { key: job.key(), job, upstream: upstream.to_vec(), runs: Vec::new() }
    };
    Plan { runs: Vec::new(), tasks: upstream.iter().enumerate().map(task).collect() }
}

/// Two chains of three tasks over the same first one.
const FORK: &[&[usize]] = &[&[], &[0], &[1], &[0], &[3]];

fn schedule<'a>(plan: &'a Plan, stop: &'a dyn Fn() -> bool) -> Schedule<'a> {
    Schedule { plan, retries: 2, fail_fast: false, stop }
}

fn carry_out(fake: &mut Fake, fail_fast: bool) -> (Result<()>, Witness) {
    let (plan, never) = (plan(FORK), || false);
    let mut witness = Witness::default();
    let schedule = Schedule { fail_fast, ..schedule(&plan, &never) };
    let result = execute(schedule, fake, &[false; 5], &mut witness);
    (result, witness)
}

#[test]
fn tasks_wait_for_what_they_build_on_and_fill_the_room_there_is() {
    let mut fake = Fake::new(&[]);
    let (result, witness) = carry_out(&mut fake, false);
    assert!(result.is_ok());
    assert_eq!(fake.order(), [0, 1, 3, 2, 4]);
    assert_eq!(witness.done(), [0, 1, 3, 2, 4]);
    assert_eq!(witness.count(|event| matches!(event, Event::StageStarted { .. })), 5);
    assert!(!fake.cancelled && fake.clock.is_zero());
    let mut narrow = Fake { room: 1, ..Fake::new(&[]) };
    carry_out(&mut narrow, false).0.expect("it is carried out");
    assert_eq!(narrow.order(), [0, 1, 2, 3, 4], "those first that the plan has first");
}

#[test]
fn what_is_done_is_not_done_again() {
    let (plan, never) = (plan(FORK), || false);
    let (mut fake, mut witness) = (Fake::new(&[]), Witness::default());
    execute(schedule(&plan, &never), &mut fake, &[true, true, false, false, false], &mut witness).expect("it ends");
    assert_eq!(fake.order(), [2, 3, 4]);
    execute(schedule(&plan, &never), &mut fake, &[true; 5], &mut witness).expect("there is nothing to do");
    assert_eq!(fake.order(), [2, 3, 4]);
}

#[test]
fn a_lost_task_is_tried_again_after_pauses_that_double() {
    let mut fake = Fake::new(&[(1, &[&[started(), lost()], &[lost()]])]);
    let (result, witness) = carry_out(&mut fake, false);
    assert!(result.is_ok() && witness.done().len() == 5);
    let tries: Vec<u128> = fake.submitted.iter().filter(|(task, _)| *task == 1).map(|(_, at)| at.as_millis()).collect();
    assert_eq!(tries, [0, 500, 1500]);
    let attempts: Vec<usize> = witness
        .events
        .iter()
        .filter_map(|event| if let Event::StageRetried { attempt, .. } = event { Some(*attempt) } else { None })
        .collect();
    assert_eq!(attempts, [1, 2]);
}

#[test]
fn a_task_that_is_lost_too_often_fails_with_all_that_builds_on_it() {
    let mut fake = Fake::new(&[(1, &[&[lost()], &[lost()], &[lost()], &[]])]);
    let (result, witness) = carry_out(&mut fake, false);
    assert!(result.is_ok(), "the others are carried out");
    assert_eq!(witness.done(), [0, 3, 4]);
    let failed: Vec<&(usize, TaskEnd)> = witness.ends.iter().filter(|(_, end)| *end != TaskEnd::Done).collect();
    let reason = TaskEnd::Failed("simulate: the worker died".into());
    assert_eq!(failed, [&(1, reason.clone()), &(2, reason)]);
    assert_eq!(fake.order().iter().filter(|task| **task == 1).count(), 3);
}

#[test]
fn a_failure_is_not_tried_again_and_an_invalid_result_is_told_apart() {
    for (update, expected, told) in [
        (Update::Failed { reason: "no".into() }, TaskEnd::Failed("simulate: no".into()), 1),
        (Update::Invalid { reason: "nan".into() }, TaskEnd::Invalid("simulate: nan".into()), 0),
    ] {
        let mut fake = Fake::new(&[(3, &[&[started(), update]])]);
        let (result, witness) = carry_out(&mut fake, false);
        assert!(result.is_ok() && !fake.cancelled);
        assert_eq!((witness.done(), fake.order().len()), (vec![0, 1, 2], 4));
        assert_eq!(witness.ends.iter().filter(|(_, end)| *end == expected).count(), 2);
        assert_eq!(witness.count(|event| matches!(event, Event::StageFailed { .. })), told);
    }
}

#[test]
fn fail_fast_stops_everything_at_the_first_failure_but_not_at_an_invalid_result() {
    let mut fake = Fake::new(&[(1, &[&[Update::Failed { reason: "no".into() }]])]);
    let (result, witness) = carry_out(&mut fake, true);
    assert!(result.is_ok() && fake.cancelled);
    assert_eq!((witness.done(), fake.order()), (vec![0], vec![0, 1, 3]));
    let mut fake = Fake::new(&[(1, &[&[Update::Invalid { reason: "nan".into() }]])]);
    let (_, witness) = carry_out(&mut fake, true);
    assert_eq!(witness.done(), [0, 3, 4]);
    // A loss that can be made good is no failure yet.
    let mut fake = Fake::new(&[(1, &[&[lost()]])]);
    assert_eq!(carry_out(&mut fake, true).1.done().len(), 5);
}

#[test]
fn what_another_process_does_is_asked_for_again_and_found() {
    let mut fake = Fake::new(&[(0, &[&[Update::Busy], &[Update::Busy], &[Update::Found]])]);
    let (result, witness) = carry_out(&mut fake, false);
    assert!(result.is_ok() && witness.done().len() == 5);
    let asked: Vec<u128> = fake.submitted.iter().take(3).map(|(_, at)| at.as_millis()).collect();
    assert_eq!(asked, [0, 300, 600], "however often, it is no loss");
    assert_eq!(witness.count(|event| matches!(event, Event::StageCached(_))), 1);
}

#[test]
fn being_asked_to_stop_ends_what_is_under_way() {
    let (plan, asked) = (plan(FORK), Cell::new(0));
    // Asked in every round; in the fourth it is time.
    let stop = || asked.replace(asked.get() + 1) == 3;
    let (mut fake, mut witness) = (Fake::new(&[]), Witness::default());
    let result = execute(schedule(&plan, &stop), &mut fake, &[false; 5], &mut witness);
    assert!(matches!(result, Err(Error::Interrupted)) && fake.cancelled);
    assert_eq!(witness.done(), [0]);
}
