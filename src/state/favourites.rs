//! Namespaces behind the keys 1 to 9: those of the configuration first and always, then the ones visited most recently.
//!
//! A key keeps its namespace until there is no key left: then the one that was not visited for longest gives way.

/// Keys.
const KEYS: usize = 9;

/// Who stands behind which key.
#[derive(Clone, Debug, Default)]
pub struct Favourites {
    /// In the order of the keys.
    names: Vec<String>,
    /// The first so many come from the configuration and stay.
    pinned: usize,
    /// Those that are not pinned, the latest visited last.
    visited: Vec<String>,
}

impl Favourites {
    /// Those of the configuration.
    pub fn new(configured: &[String]) -> Self {
        let names: Vec<String> = configured.iter().take(KEYS).cloned().collect();
        Self { pinned: names.len(), names, visited: vec![] }
    }

    /// Somebody looks at a namespace.
    pub fn visit(&mut self, name: &str) {
        if name.is_empty() || self.names.iter().take(self.pinned).any(|known| known == name) {
            return;
        }
        self.visited.retain(|known| known != name);
        self.visited.push(name.into());
        if self.names.iter().any(|known| known == name) {
            return;
        }
        if self.names.len() < KEYS {
            self.names.push(name.into());
            return;
        }
        let oldest = self.visited.iter().find(|known| self.names.contains(known)).cloned();
        let slot = oldest.and_then(|oldest| self.names.iter().position(|known| *known == oldest));
        // Without a slot every key is pinned.
        if let Some(slot) = slot.filter(|slot| *slot >= self.pinned)
            && let Some(place) = self.names.get_mut(slot)
        {
            self.visited.retain(|known| known != place);
            *place = name.into();
        }
        let excess = self.visited.len().saturating_sub(KEYS);
        self.visited.drain(..excess);
    }

    /// The namespace behind a key from 1 on.
    pub fn get(&self, key: usize) -> Option<&str> {
        self.names.get(key.checked_sub(1)?).map(String::as_str)
    }

    /// The key of a namespace.
    pub fn key(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name).map(|at| at + 1)
    }

    /// Those that are not pinned, the latest visited last; what is kept for the next start.
    pub fn visited(&self) -> &[String] {
        &self.visited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_until_there_are_no_more() {
        let mut all = Favourites::new(&["shop".into(), "db".into()]);
        for n in 1..=7 {
            all.visit(&format!("ns-{n}"));
        }
        assert_eq!((all.get(1), all.get(3), all.get(9)), (Some("shop"), Some("ns-1"), Some("ns-7")));
        // The pinned ones and the one visited again stay where they are; the oldest gives its key away.
        all.visit("ns-1");
        all.visit("shop");
        all.visit("new");
        assert_eq!((all.key("ns-1"), all.key("new"), all.key("ns-2")), (Some(3), Some(4), None));
        assert_eq!(all.get(0), None);
        assert_eq!(all.visited().last().map(String::as_str), Some("new"));
    }

    #[test]
    fn where_all_are_pinned_nothing_moves() {
        let names: Vec<String> = (0..12).map(|n| format!("p{n}")).collect();
        let mut all = Favourites::new(&names);
        all.visit("x");
        assert_eq!((all.get(9), all.key("x")), (Some("p8"), None));
    }
}
