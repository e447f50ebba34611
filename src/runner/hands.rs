//! The workers of a runner.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use super::awake::AwakeClock;
use super::pause::{self, Attended};
use super::worker::{Heard, Worker, WorkerPlace};
use crate::error::Result;
use crate::protocol::Reply;

/// How long a worker may take to start, whatever the timeout: libtorch is large, and its disk may be slow.
const START: Duration = Duration::from_secs(120);

/// Messages that wait for the runner; workers that say more wait themselves.
const QUEUE: usize = 1024;

/// After so many lines during one task that are not replies, a worker is given up.
const MOST_GARBLED: usize = 100;

/// All workers, each at a place of its own.
pub struct Hands<'a> {
    places: &'a [WorkerPlace],
    hands: HashMap<usize, Hand>,
    idle: Vec<usize>,
    started: usize,
    sender: SyncSender<(usize, Heard)>,
    receiver: Receiver<(usize, Heard)>,
    clock: AwakeClock,
    looked: Instant,
    _attended: Attended,
}

/// A worker with what is known of it.
struct Hand {
    worker: Worker,
    /// Which of the places it has.
    place: usize,
    /// Whether it has started up.
    ready: bool,
    /// How many of its lines were not replies, since it was last given something to do.
    garbled: usize,
}

impl<'a> Hands<'a> {
    /// No workers yet, for as many places.
    pub fn new(places: &'a [WorkerPlace]) -> Self {
        let (sender, receiver) = mpsc::sync_channel(QUEUE);
        Self {
            places,
            hands: HashMap::new(),
            idle: Vec::new(),
            started: 0,
            sender,
            receiver,
            clock: AwakeClock::default(),
            looked: Instant::now(),
            _attended: Attended::begin(),
        }
    }

    /// What a worker says within `patience`. Ctrl-Z stops everything here.
    pub fn listen(&mut self, patience: Duration) -> Option<(usize, Heard)> {
        if pause::wanted() {
            pause::together(&self.hands.values().map(|hand| hand.worker.id()).collect::<Vec<_>>());
        }
        self.clock.advance(std::mem::replace(&mut self.looked, Instant::now()).elapsed());
        match self.receiver.recv_timeout(patience) {
            Ok((worker, heard)) => {
                if let (Heard::Reply(Reply::Ready { .. }), Some(hand)) = (&heard, self.hands.get_mut(&worker)) {
                    hand.ready = true;
                }
                Some((worker, heard))
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("a sender is kept for the next worker"),
        }
    }

    /// A worker with nothing to do: an idle one, else a new one where there is a place for it. `log` names its log.
    pub fn free(&mut self, log: impl Fn(usize) -> PathBuf) -> Result<Option<usize>> {
        if let Some(worker) = self.idle.pop() {
            return Ok(Some(worker));
        }
        let taken = |place: &usize| self.hands.values().any(|hand| hand.place == *place);
        let Some(place) = (0..self.places.len()).find(|place| !taken(place)) else { return Ok(None) };
        let id = self.started;
        self.started += 1;
        let worker = Worker::start(id, &self.places[place], &log(place), self.sender.clone(), &self.clock)?;
        self.hands.insert(id, Hand { worker, place, ready: false, garbled: 0 });
        Ok(Some(id))
    }

    /// The worker has something to do from now on.
    pub fn employ(&mut self, worker: usize) -> Option<&mut Worker> {
        let hand = self.hands.get_mut(&worker)?;
        hand.garbled = 0;
        Some(&mut hand.worker)
    }

    /// The worker has nothing to do any more.
    pub fn release(&mut self, worker: usize) {
        self.idle.push(worker);
    }

    /// The place of a worker, and where in its log its present work begins.
    pub fn place(&self, worker: usize) -> Option<(usize, u64)> {
        self.hands.get(&worker).map(|hand| (hand.place, hand.worker.log_offset()))
    }

    /// A worker that is of no more use.
    pub fn remove(&mut self, worker: usize) -> Option<Worker> {
        self.idle.retain(|&idle| idle != worker);
        self.hands.remove(&worker).map(|hand| hand.worker)
    }

    /// Takes note of a line that is not a reply, which says nothing unless there are many: then, why to give the worker up.
    pub fn overhear(&mut self, worker: usize, line: &str) -> Option<String> {
        let hand = self.hands.get_mut(&worker)?;
        hand.garbled += 1;
        if hand.garbled < MOST_GARBLED {
            tracing::warn!(worker, line, "a worker wrote a line that is not a reply");
            return None;
        }
        Some(format!("the worker wrote {MOST_GARBLED} lines that are not replies, such as `{line}`"))
    }

    /// Which of the workers at `work` hang: they gave no sign of life for so long.
    pub fn hanging(&self, work: impl Iterator<Item = usize>, timeout: Duration) -> Vec<(usize, Duration)> {
        let patience = |hand: &Hand| if hand.ready { timeout } else { timeout.max(START) };
        let known = work.filter_map(|worker| Some((worker, self.hands.get(&worker)?)));
        let silent = known.filter(|(_, hand)| hand.worker.silence() > patience(hand));
        silent.map(|(worker, hand)| (worker, patience(hand))).collect()
    }

    pub fn kill_all(&mut self) {
        self.hands.values_mut().for_each(|hand| hand.worker.kill());
    }
}
