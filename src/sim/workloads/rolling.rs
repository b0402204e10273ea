//! The arithmetic of a rolling update (`pkg/controller/deployment/rolling.go`), on numbers alone.

/// What the arithmetic needs of one ReplicaSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// `spec.replicas`
    pub wanted: i64,
    /// `status.availableReplicas`
    pub available: i64,
}

/// The bounds of a Deployment.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// `spec.replicas`
    pub replicas: i64,
    /// `maxSurge`, resolved.
    pub surge: i64,
    /// `maxUnavailable`, resolved.
    pub unavailable: i64,
}

/// How large the new ReplicaSet should be now (`NewRSNewReplicas`).
pub fn scale_up(bounds: Bounds, new: Share, old: &[Share]) -> i64 {
    if new.wanted >= bounds.replicas {
        return bounds.replicas;
    }
    let total: i64 = new.wanted + old.iter().map(|s| s.wanted).sum::<i64>();
    let room = (bounds.replicas + bounds.surge - total).max(0);
    new.wanted + room.min(bounds.replicas - new.wanted)
}

/// How large each old ReplicaSet (oldest first) should be now (`reconcileOldReplicaSets`):
/// replicas that are not available anyway go first, then as many as `maxUnavailable` lets go.
pub fn scale_down(bounds: Bounds, new: Share, old: &[Share]) -> Vec<i64> {
    let mut sizes: Vec<i64> = old.iter().map(|s| s.wanted).collect();
    let total = new.wanted + sizes.iter().sum::<i64>();
    let floor = bounds.replicas - bounds.unavailable;
    let mut budget = total - floor - (new.wanted - new.available);
    if budget <= 0 {
        return sizes;
    }
    for (size, share) in sizes.iter_mut().zip(old) {
        let sick = (share.wanted - share.available).clamp(0, budget);
        *size -= sick;
        budget -= sick;
    }
    let available = new.available + old.iter().map(|s| s.available).sum::<i64>();
    let mut budget = available - floor;
    for size in &mut sizes {
        let step = (*size).min(budget.max(0));
        *size -= step;
        budget -= step;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: Bounds = Bounds { replicas: 3, surge: 1, unavailable: 0 };

    fn share(wanted: i64, available: i64) -> Share {
        Share { wanted, available }
    }

    #[test]
    fn one_up_one_down() {
        assert_eq!(scale_up(B, share(0, 0), &[share(3, 3)]), 1);
        assert_eq!(scale_down(B, share(1, 0), &[share(3, 3)]), [3], "waits for the new pod");
        assert_eq!(scale_down(B, share(1, 1), &[share(3, 3)]), [2]);
        assert_eq!(scale_up(B, share(1, 1), &[share(2, 2)]), 2);
    }

    #[test]
    fn pods_that_never_ran_make_room_at_once() {
        let bounds = Bounds { replicas: 2, surge: 1, unavailable: 0 };
        assert_eq!(scale_down(bounds, share(1, 1), &[share(2, 0)]), [1], "old and sick goes first");
        assert_eq!(scale_down(bounds, share(2, 2), &[share(1, 0)]), [0]);
    }

    #[test]
    fn a_broken_new_template_takes_nothing_away() {
        let bounds = Bounds { replicas: 4, surge: 1, unavailable: 1 };
        assert_eq!(scale_down(bounds, share(2, 0), &[share(3, 3)]), [3]);
    }

    proptest::proptest! {
        #[test]
        fn the_promises_hold(replicas in 0i64..9, surge in 0i64..4, unavailable in 0i64..4, new in (0i64..9, 0i64..9), old in proptest::collection::vec((0i64..9, 0i64..9), 0..4)) {
            let bounds = Bounds { replicas, surge, unavailable };
            let new = Share { wanted: new.0, available: new.1.min(new.0) };
            let old: Vec<Share> = old.into_iter().map(|(w, a)| Share { wanted: w, available: a.min(w) }).collect();
            let sizes = scale_down(bounds, new, &old);
            proptest::prop_assert!(sizes.iter().zip(&old).all(|(s, o)| *s >= 0 && *s <= o.wanted));
            let up = scale_up(bounds, new, &old);
            let total = up + old.iter().map(|o| o.wanted).sum::<i64>();
            proptest::prop_assert!(up <= new.wanted.max(replicas) && (up <= new.wanted || total <= replicas + surge));
        }
    }
}
