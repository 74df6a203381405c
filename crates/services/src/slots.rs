//! Who may run now: so many in all, so many of a namespace, so many of one line within it (a queue, a task), and among
//! those that wait the one whose turn is longest ago. A namespace with a million things to do takes its slots, and no
//! others.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A line of a namespace.
pub(crate) type Place<K> = (String, K);

/// What tells one line of a namespace from another.
pub(crate) trait Key: Clone + Eq + Hash {}
impl<K: Clone + Eq + Hash> Key for K {}

/// A line with something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate<K> {
    pub place: Place<K>,
    pub max_concurrency: u32,
}

/// The slots of an installation. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Slots<K: Key> {
    in_all: usize,
    per_namespace: usize,
    book: Arc<Mutex<Book<K>>>,
}

#[derive(Debug)]
struct Book<K> {
    running: HashMap<Place<K>, usize>,
    running_in: HashMap<String, usize>,
    /// When a line and a namespace were last chosen, counted in choices; kept while they wait for more.
    chosen: HashMap<Place<K>, u64>,
    chosen_in: HashMap<String, u64>,
    choices: u64,
    /// Lines that are left alone until then.
    resting: HashMap<Place<K>, i64>,
}

/// One may run; given back where this is dropped.
#[derive(Debug)]
pub(crate) struct Slot<K: Key> {
    book: Arc<Mutex<Book<K>>>,
    pub place: Place<K>,
}

impl<K: Key> Slots<K> {
    pub(crate) fn new(in_all: usize, per_namespace: usize) -> Self {
        let book = Book {
            running: HashMap::new(),
            running_in: HashMap::new(),
            chosen: HashMap::new(),
            chosen_in: HashMap::new(),
            choices: 0,
            resting: HashMap::new(),
        };
        Self { in_all, per_namespace, book: Arc::new(Mutex::new(book)) }
    }

    /// Is none left?
    pub(crate) fn all_taken(&self) -> bool {
        self.book().running.values().sum::<usize>() >= self.in_all
    }

    /// Slots for those whose turn it is, at most one for each candidate.
    pub(crate) fn choose(&self, mut candidates: Vec<Candidate<K>>, now: i64) -> Vec<Slot<K>> {
        let mut book = self.book();
        book.forget_all_but(&candidates, now);
        let mut slots = Vec::new();
        while book.running.values().sum::<usize>() < self.in_all {
            let free = candidates.iter().enumerate().filter(|(_, candidate)| self.has_room(&book, candidate));
            let Some((at, _)) = free.min_by_key(|(_, candidate)| book.turn(&candidate.place)) else { break };
            let place = candidates.remove(at).place;
            book.take(&place);
            slots.push(Slot { book: self.book.clone(), place });
        }
        slots
    }

    /// Leaves a line alone until then.
    pub(crate) fn rest(&self, place: Place<K>, until: i64) {
        self.book().resting.insert(place, until);
    }

    /// Leaves no line alone any more.
    pub(crate) fn rouse(&self) {
        self.book().resting.clear();
    }

    /// When the next line that rests is to be looked at again.
    pub(crate) fn next_due(&self, now: i64) -> Option<i64> {
        self.book().resting.values().copied().filter(|until| *until > now).min()
    }

    fn has_room(&self, book: &Book<K>, Candidate { place, max_concurrency }: &Candidate<K>) -> bool {
        let running = book.running.get(place).copied().unwrap_or_default();
        let running_in = book.running_in.get(&place.0).copied().unwrap_or_default();
        running < *max_concurrency as usize && running_in < self.per_namespace && !book.resting.contains_key(place)
    }

    fn book(&self) -> MutexGuard<'_, Book<K>> {
        lock(&self.book)
    }
}

impl<K: Key> Book<K> {
    /// The fewer run of a namespace, and the longer ago it had its turn, the sooner it has it; then the same by line.
    fn turn(&self, place: &Place<K>) -> (usize, u64, u64) {
        (
            self.running_in.get(&place.0).copied().unwrap_or_default(),
            self.chosen_in.get(&place.0).copied().unwrap_or_default(),
            self.chosen.get(place).copied().unwrap_or_default(),
        )
    }

    fn take(&mut self, place: &Place<K>) {
        self.choices += 1;
        self.chosen.insert(place.clone(), self.choices);
        self.chosen_in.insert(place.0.clone(), self.choices);
        *self.running.entry(place.clone()).or_default() += 1;
        *self.running_in.entry(place.0.clone()).or_default() += 1;
    }

    fn give_back(&mut self, place: &Place<K>) {
        decrease(&mut self.running, place);
        decrease(&mut self.running_in, &place.0);
    }

    /// What is remembered never grows beyond what waits.
    fn forget_all_but(&mut self, candidates: &[Candidate<K>], now: i64) {
        let places: HashSet<&Place<K>> = candidates.iter().map(|candidate| &candidate.place).collect();
        let namespaces: HashSet<&String> = candidates.iter().map(|candidate| &candidate.place.0).collect();
        self.chosen.retain(|place, _| places.contains(place));
        self.chosen_in.retain(|namespace, _| namespaces.contains(namespace));
        self.resting.retain(|place, until| *until > now && places.contains(place));
    }
}

impl<K: Key> Drop for Slot<K> {
    fn drop(&mut self) {
        lock(&self.book).give_back(&self.place);
    }
}

fn decrease<T: Hash + Eq>(counts: &mut HashMap<T, usize>, key: &T) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn lock<K>(book: &Mutex<Book<K>>) -> MutexGuard<'_, Book<K>> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(places: &[(&str, &str)], max_concurrency: u32) -> Vec<Candidate<String>> {
        let place = |(namespace, queue): &(&str, &str)| ((*namespace).to_owned(), (*queue).to_owned());
        places.iter().map(|at| Candidate { place: place(at), max_concurrency }).collect()
    }

    fn chosen(slots: &[Slot<String>]) -> Vec<(&str, &str)> {
        slots.iter().map(|slot| (slot.place.0.as_str(), slot.place.1.as_str())).collect()
    }

    #[test]
    fn namespaces_take_turns_and_none_has_more_than_its_share() {
        let slots = Slots::new(4, 3);
        let waiting = candidates(&[("a", "1"), ("a", "2"), ("a", "3"), ("a", "4"), ("b", "1")], 1);
        let first = slots.choose(waiting.clone(), 0);
        assert_eq!(chosen(&first), [("a", "1"), ("b", "1"), ("a", "2"), ("a", "3")]);
        assert!(slots.all_taken());
        assert!(slots.choose(waiting.clone(), 0).is_empty());
        drop(first);
        // The one that had no turn comes first within its namespace, after the namespace that has waited longer.
        let second = slots.choose(waiting, 0);
        assert_eq!(chosen(&second)[..2], [("b", "1"), ("a", "4")]);
    }

    #[test]
    fn a_line_runs_as_often_as_its_consumer_says() {
        let slots = Slots::new(9, 9);
        let waiting = candidates(&[("a", "1")], 2);
        let held: Vec<Slot<String>> = (0..3).flat_map(|_| slots.choose(waiting.clone(), 0)).collect();
        assert_eq!(held.len(), 2);
    }

    #[test]
    fn a_line_that_rests_is_left_alone_until_then() {
        let slots = Slots::new(9, 9);
        let waiting = candidates(&[("a", "1")], 1);
        slots.rest(("a".to_owned(), "1".to_owned()), 100);
        assert!(slots.choose(waiting.clone(), 99).is_empty());
        assert_eq!(slots.next_due(99), Some(100));
        assert_eq!(slots.choose(waiting, 100).len(), 1);
        assert_eq!(slots.next_due(100), None);
    }
}
