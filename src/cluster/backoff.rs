//! Pauses between tries: doubling, bounded, with jitter so that many watches do not return in step.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Doubling pauses.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `first`, doubling up to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    /// The pause before the next try, between 75 % and 125 % of the nominal one.
    pub fn pause(&mut self) -> Duration {
        let nominal = self.next;
        self.next = (nominal * 2).min(self.most);
        nominal.mul_f64(0.75 + f64::from(random() % 512) / 1024.0)
    }

    /// Something worked: start small again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A number nobody can predict well enough to fall into step with; not for secrets.
pub fn random() -> u32 {
    std::hash::RandomState::new().build_hasher().finish() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));
        for nominal in [1.0, 2.0, 4.0, 8.0, 8.0] {
            let pause = backoff.pause().as_secs_f64();
            assert!((nominal * 0.75..=nominal * 1.25).contains(&pause), "{pause} for {nominal}");
        }
        backoff.reset();
        assert!(backoff.pause().as_secs_f64() <= 1.25);
    }
}
