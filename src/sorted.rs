//! Maps and sets as sorted lists: what iterates in the same order every time, in little code and memory.
//!
//! Nearly all of the agent's tables have fewer than a hundred entries. A [`Map`] costs a router's flash a tenth of what each kind of
//! `BTreeMap` costs, and its entries stand without gaps. Entries that come in order are appended; one in the midst moves those
//! behind it, so what grows to many thousands in no order belongs elsewhere. The names are those of the standard library.

use std::borrow::Borrow;
use std::fmt;
use std::iter::Zip;
use std::ops::Index;
use std::{slice, vec};

/// Values by their keys, in the order of the keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Map<K, V> {
    // Two lists, so that the search is code of the keys' type alone, whatever the values are. Their lengths are the same.
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K, V> Map<K, V> {
    /// Nothing yet.
    pub const fn new() -> Map<K, V> {
        Map { keys: Vec::new(), values: Vec::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Lets all go.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
    }

    /// All, in order.
    pub fn iter(&self) -> Zip<slice::Iter<'_, K>, slice::Iter<'_, V>> {
        self.keys.iter().zip(&self.values)
    }

    /// All, in order, to change the values.
    pub fn iter_mut(&mut self) -> Zip<slice::Iter<'_, K>, slice::IterMut<'_, V>> {
        self.keys.iter().zip(&mut self.values)
    }

    /// The keys, in order.
    pub fn keys(&self) -> slice::Iter<'_, K> {
        self.keys.iter()
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> slice::Iter<'_, V> {
        self.values.iter()
    }

    /// The values, to change them.
    pub fn values_mut(&mut self) -> slice::IterMut<'_, V> {
        self.values.iter_mut()
    }

    /// The keys alone.
    pub fn into_keys(self) -> vec::IntoIter<K> {
        self.keys.into_iter()
    }

    /// The values alone.
    pub fn into_values(self) -> vec::IntoIter<V> {
        self.values.into_iter()
    }

    /// The last one.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.keys.last().zip(self.values.last())
    }

    /// Takes the first one out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.is_empty()).then(|| self.take(0))
    }

    /// Keeps those for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for (key, mut value) in std::mem::take(self) {
            if keep(&key, &mut value) {
                self.keys.push(key);
                self.values.push(value);
            }
        }
    }

    fn take(&mut self, at: usize) -> (K, V) {
        (self.keys.remove(at), self.values.remove(at))
    }
}

impl<K: Ord, V> Map<K, V> {
    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.values.get(place(&self.keys, key).ok()?)
    }

    /// The value of a key, to change it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.values.get_mut(place(&self.keys, key).ok()?)
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        place(&self.keys, key).is_ok()
    }

    /// Puts a value in; the one that was there before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match place(&self.keys, &key) {
            Ok(at) => self.values.get_mut(at).map(|old| std::mem::replace(old, value)),
            Err(at) => {
                self.keys.insert(at, key);
                self.values.insert(at, value);
                None
            }
        }
    }

    /// Takes a value out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        place(&self.keys, key).ok().map(|at| self.take(at).1)
    }

    /// The place of a key, to be filled if it is empty.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        Entry { map: self, key }
    }

    /// Those whose key is not less, in order.
    pub fn starting_at<Q: Ord + ?Sized>(&self, least: &Q) -> Zip<slice::Iter<'_, K>, slice::Iter<'_, V>>
    where
        K: Borrow<Q>,
    {
        let (Ok(at) | Err(at)) = place(&self.keys, least);
        let (keys, values) = (self.keys.get(at..), self.values.get(at..));
        keys.unwrap_or_default().iter().zip(values.unwrap_or_default())
    }
}

/// Where a key is, or where it would be.
fn place<K: Borrow<Q>, Q: Ord + ?Sized>(keys: &[K], key: &Q) -> Result<usize, usize> {
    match keys.last() {
        // What comes in order is not searched for.
        Some(last) if last.borrow() < key => Err(keys.len()),
        Some(_) => keys.binary_search_by(|other| other.borrow().cmp(key)),
        None => Err(0),
    }
}

/// The place of a key in a [`Map`].
pub struct Entry<'a, K, V> {
    map: &'a mut Map<K, V>,
    key: K,
}

impl<'a, K: Ord, V> Entry<'a, K, V> {
    /// The value, made first where there is none.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        let at = match place(&self.map.keys, &self.key) {
            Ok(at) => at,
            Err(at) => {
                self.map.values.insert(at, make());
                self.map.keys.insert(at, self.key);
                at
            }
        };
        self.map.values.get_mut(at).expect("it was found or put there")
    }

    /// The value, `value` where there is none.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// The value, its type's default where there is none.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }
}

/// Panics where there is no such key: for tests.
impl<Q: Ord + ?Sized, K: Ord + Borrow<Q>, V> Index<&Q> for Map<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("the key is there")
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Map<K, V> {
        Map::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Map<K, V> {
        let mut map = Map::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(entries: [(K, V); N]) -> Map<K, V> {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = Zip<vec::IntoIter<K>, vec::IntoIter<V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.keys.into_iter().zip(self.values)
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Zip<slice::Iter<'a, K>, slice::Iter<'a, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut Map<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = Zip<slice::Iter<'a, K>, slice::IterMut<'a, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// Values without doubles, in their order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set<T>(Vec<T>);

impl<T> Set<T> {
    /// Nothing yet.
    pub const fn new() -> Set<T> {
        Set(Vec::new())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets all go.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All, in order.
    pub fn iter(&self) -> slice::Iter<'_, T> {
        self.0.iter()
    }

    /// The first one.
    pub fn first(&self) -> Option<&T> {
        self.0.first()
    }

    /// Takes the first one out.
    pub fn pop_first(&mut self) -> Option<T> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    /// Keeps those for which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }
}

impl<T: Ord> Set<T> {
    /// Whether it is there.
    pub fn contains<Q: Ord + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        place(&self.0, value).is_ok()
    }

    /// Puts a value in; whether it was not there before.
    pub fn insert(&mut self, value: T) -> bool {
        match place(&self.0, &value) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, value);
                true
            }
        }
    }

    /// Takes a value out; whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        place(&self.0, value).map(|at| drop(self.0.remove(at))).is_ok()
    }

    /// Those that are not less, in order.
    pub fn starting_at<Q: Ord + ?Sized>(&self, least: &Q) -> slice::Iter<'_, T>
    where
        T: Borrow<Q>,
    {
        let (Ok(at) | Err(at)) = place(&self.0, least);
        self.0.get(at..).unwrap_or_default().iter()
    }
}

impl<T> Default for Set<T> {
    fn default() -> Set<T> {
        Set::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<T: Ord> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.insert(value);
        }
    }
}

impl<'a, T: Ord + Copy> Extend<&'a T> for Set<T> {
    fn extend<I: IntoIterator<Item = &'a T>>(&mut self, values: I) {
        self.extend(values.into_iter().copied());
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Set<T> {
        let mut set = Set::new();
        set.extend(values);
        set
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for Set<T> {
    fn from(values: [T; N]) -> Set<T> {
        values.into_iter().collect()
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// What is done to a map, by a small number for the kind and one for the key.
    fn steps() -> impl Strategy<Value = Vec<(u8, u8)>> {
        prop::collection::vec((0u8..8, 0u8..20), 0..60)
    }

    proptest! {
        #[test]
        fn a_map_does_what_the_standard_library_s_does(steps in steps()) {
            let (mut ours, mut theirs) = (Map::new(), BTreeMap::new());
            for (turn, (kind, key)) in steps.into_iter().enumerate() {
                match kind {
                    0..=2 => prop_assert_eq!(ours.insert(key, turn), theirs.insert(key, turn)),
                    3 => prop_assert_eq!(ours.remove(&key), theirs.remove(&key)),
                    4 => {
                        *ours.entry(key).or_insert(turn) += 1;
                        *theirs.entry(key).or_insert(turn) += 1;
                    }
                    5 => prop_assert_eq!(ours.pop_first(), theirs.pop_first()),
                    6 => {
                        ours.retain(|known, value| { *value += 1; known % 7 != key % 7 });
                        theirs.retain(|known, value| { *value += 1; known % 7 != key % 7 });
                    }
                    _ => prop_assert!(ours.starting_at(&key).eq(theirs.range(key..))),
                }
                prop_assert!(ours.iter().eq(&theirs));
                prop_assert_eq!(ours.get(&key), theirs.get(&key));
                prop_assert_eq!(ours.contains_key(&key), theirs.contains_key(&key));
                prop_assert_eq!(ours.last_key_value(), theirs.last_key_value());
                prop_assert_eq!(ours.len(), theirs.len());
            }
            prop_assert!(ours.into_iter().eq(theirs));
        }

        #[test]
        fn a_set_does_what_the_standard_library_s_does(steps in steps()) {
            let (mut ours, mut theirs) = (Set::new(), BTreeSet::new());
            for (kind, value) in steps {
                match kind {
                    0..=3 => prop_assert_eq!(ours.insert(value), theirs.insert(value)),
                    4 => prop_assert_eq!(ours.remove(&value), theirs.remove(&value)),
                    5 => prop_assert_eq!(ours.pop_first(), theirs.pop_first()),
                    6 => { ours.retain(|known| known % 7 != value % 7); theirs.retain(|known| known % 7 != value % 7); }
                    _ => prop_assert!(ours.starting_at(&value).eq(theirs.range(value..))),
                }
                prop_assert!(ours.iter().eq(&theirs));
                prop_assert_eq!(ours.contains(&value), theirs.contains(&value));
            }
        }
    }
}
