//! What was read last, up to a number of items.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Items of tasks; the oldest makes room for a new one.
pub struct Recent<T> {
    most: usize,
    items: HashMap<usize, Arc<T>>,
    order: VecDeque<usize>,
}

impl<T> Recent<T> {
    /// Keeps `most` items at most.
    pub fn new(most: usize) -> Self {
        Self { most, items: HashMap::new(), order: VecDeque::new() }
    }

    pub fn get(&self, task: usize) -> Option<Arc<T>> {
        self.items.get(&task).cloned()
    }

    pub fn keep(&mut self, task: usize, item: T) -> Arc<T> {
        let item = Arc::new(item);
        if self.items.insert(task, Arc::clone(&item)).is_none() {
            self.order.push_back(task);
        }
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.items.remove(&oldest);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_item_makes_room() {
        let mut recent = Recent::new(2);
        for task in [5, 6, 5, 7] {
            assert_eq!(*recent.keep(task, task * 10), task * 10);
        }
        assert_eq!([5, 6, 7].map(|task| recent.get(task).map(|item| *item)), [None, Some(60), Some(70)]);
        assert_eq!((recent.items.len(), recent.order.len()), (2, 2));
    }
}
