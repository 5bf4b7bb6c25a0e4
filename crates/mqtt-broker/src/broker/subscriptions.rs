//! The subscriptions of one client: mostly one or a few, sometimes thousands.

use std::collections::BTreeMap;

use mqtt_proto::TopicFilter;

use super::client::Granted;

/// Subscriptions by their filters. A map's smallest node has room for eleven, which is a kilobyte for a client that has one:
/// few are a sorted list without room to spare.
#[derive(Debug)]
pub(crate) enum Subscriptions {
    Few(Vec<Granted>),
    #[expect(clippy::box_collection, reason = "boxed, it leaves every client without it smaller")]
    Many(Box<BTreeMap<TopicFilter, Granted>>),
}

impl Subscriptions {
    pub(crate) fn get_mut(&mut self, filter: &TopicFilter) -> Option<&mut Granted> {
        match self {
            Self::Few(few) => place(few, filter).ok().and_then(|at| few.get_mut(at)),
            Self::Many(many) => many.get_mut(filter),
        }
    }

    pub(crate) fn contains(&self, filter: &TopicFilter) -> bool {
        match self {
            Self::Few(few) => place(few, filter).is_ok(),
            Self::Many(many) => many.contains_key(filter),
        }
    }

    /// Whether it is a new one.
    pub(crate) fn insert(&mut self, granted: Granted) -> bool {
        match self {
            Self::Few(few) => match place(few, &granted.wanted.filter) {
                Ok(at) => {
                    few[at] = granted;
                    false
                }
                Err(at) if few.len() < FEW => {
                    few.reserve_exact(1);
                    few.insert(at, granted);
                    true
                }
                Err(_) => {
                    let all = std::mem::take(few).into_iter().chain([granted]);
                    let all = all.map(|granted| (granted.wanted.filter.clone(), granted));
                    *self = Self::Many(Box::new(all.collect()));
                    true
                }
            },
            Self::Many(many) => many.insert(granted.wanted.filter.clone(), granted).is_none(),
        }
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, filter: &TopicFilter) -> bool {
        match self {
            Self::Few(few) => {
                let Ok(at) = place(few, filter) else { return false };
                few.remove(at);
                few.shrink_to_fit();
                true
            }
            Self::Many(many) => {
                let is_removed = many.remove(filter).is_some();
                if many.is_empty() {
                    *self = Self::default();
                }
                is_removed
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    /// All of them, in the order of their filters.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Granted> {
        let (few, many) = match self {
            Self::Few(few) => (few.as_slice(), None),
            Self::Many(many) => (&[][..], Some(many.values())),
        };
        few.iter().chain(many.into_iter().flatten())
    }
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// Where it is, or belongs.
fn place(few: &[Granted], filter: &TopicFilter) -> Result<usize, usize> {
    few.binary_search_by(|granted| granted.wanted.filter.cmp(filter))
}

/// Subscriptions that are a list: moving them costs less than a map's node.
const FEW: usize = 16;

#[cfg(test)]
mod tests {
    use mqtt_proto::{QoS, Subscription};

    use super::*;

    fn granted(number: usize) -> Granted {
        let filter = TopicFilter::try_from(format!("f/{number}")).unwrap();
        Granted { wanted: Subscription::new(filter, QoS::AtLeastOnce), qos: QoS::AtLeastOnce, identifier: None }
    }

    #[test]
    fn few_and_many_behave_alike() {
        let mut all = Subscriptions::default();
        let mut model = BTreeMap::new();
        let mut number = 1;
        // Up beyond what is few, down to none, and up again, with repetitions on the way.
        for step in 0..300 {
            number = number * 37 % 101;
            let subscription = granted(number % 41);
            let filter = subscription.wanted.filter.clone();
            assert_eq!(all.contains(&filter), model.contains_key(&filter));
            if step % 100 < 60 {
                assert_eq!(all.insert(subscription), model.insert(filter, ()).is_none());
            } else {
                assert_eq!(all.remove(&filter), model.remove(&filter).is_some());
            }
            assert_eq!(all.len(), model.len());
            assert!(all.iter().map(|granted| &granted.wanted.filter).eq(model.keys()));
        }
        for filter in std::mem::take(&mut model).into_keys() {
            assert!(all.get_mut(&filter).is_some());
            assert!(all.remove(&filter));
        }
        assert!(matches!(&all, Subscriptions::Few(few) if few.capacity() == 0));
    }
}
