//! Which status code a controller gives for which fault (causes C.1). Predictions, not proof: data-plane answers of
//! proxies depend on their configuration.

use super::flavor::Flavor;

/// A fault as a client meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No rule for host, path or class.
    NotMatched,
    /// The backend Service is not there.
    ServiceMissing,
    /// The backend Service has no such port.
    PortMissing,
    /// No usable endpoint.
    NoEndpoints,
    /// Endpoints refuse the connection.
    Refused,
    /// Packets are dropped.
    Dropped,
    /// The application takes too long.
    Slow,
    /// The application hangs up, or speaks another protocol.
    HungUp,
    /// The route itself is invalid.
    InvalidRoute,
    /// No backend of the route gets a share of the requests.
    NoShare,
    /// The location is denied because of an annotation.
    Denied,
    /// More requests than the route allows.
    Limited,
    /// A policy of layer 7 forbids the request.
    Forbidden,
    /// The application itself answers with an error.
    Application,
    /// Nobody answers at the address, or the name leads nowhere.
    NoAnswer,
}

/// The fault that a cause stands for, if a URL's client would meet it.
pub fn fault_of(cause: &str) -> Option<Fault> {
    Some(match cause {
        "ingress-host-mismatch"
        | "ingress-path-mismatch"
        | "ingress-class-missing"
        | "ingress-webhook-blocked"
        | "ingress-config-reload-failed"
        | "ingress-host-taken"
        | "gw-route-not-attached"
        | "gw-route-hostname-mismatch"
        | "traefik-entrypoint-mismatch" => Fault::NotMatched,
        "svc-missing" => Fault::ServiceMissing,
        "svc-port-mismatch" => Fault::PortMissing,
        "svc-selector-no-pods"
        | "svc-targetport-name-missing"
        | "svc-manual-slices"
        | "svc-externalname"
        | "eps-not-ready-only"
        | "eps-terminating-only"
        | "eps-zone-hints"
        | "canary-backend-dead"
        | "rollout-window" => Fault::NoEndpoints,
        "svc-targetport-wrong" | "pod-listens-localhost" | "svc-selector-foreign-pods" => Fault::Refused,
        "eps-stale" | "cilium-deny" => Fault::Dropped,
        c if c.starts_with("netpol-") => Fault::Dropped,
        "upstream-timeout" => Fault::Slow,
        "upstream-reset" | "backend-protocol-mismatch" => Fault::HungUp,
        "traefik-middleware-missing" | "svc-headless" | "gw-ref-not-permitted" | "gw-backend-not-found" => {
            Fault::InvalidRoute
        }
        "gw-weights-zero" => Fault::NoShare,
        "ingress-annotation-denied" => Fault::Denied,
        "ratelimit-503" => Fault::Limited,
        "app-5xx" => Fault::Application,
        "ingress-controller-down"
        | "gw-listener-not-ready"
        | "gw-class-not-accepted"
        | "dns-no-record"
        | "lb-no-address"
        | "lb-local-policy-no-pods"
        | "lb-selector-elsewhere" => Fault::NoAnswer,
        _ => return None,
    })
}

/// What the client gets: `503`, or words where it gets no answer. `allow_empty` is Traefik's `allowEmptyServices`.
pub fn predicted(flavor: Flavor, fault: Fault, allow_empty: bool) -> &'static str {
    use Fault::*;
    use Flavor::*;
    match (fault, flavor) {
        (NoAnswer, _) => "no answer (no such name, connection refused or a timeout)",
        (NotMatched, _) => "404",
        (NoShare, _) => "500",
        (ServiceMissing | PortMissing, Traefik | HaProxy) => "404",
        (ServiceMissing | PortMissing, EnvoyGateway | Cilium) => "500",
        (NoEndpoints, Traefik) if !allow_empty => "404",
        // An upstream without endpoints is given a server that only says 502.
        (ServiceMissing | PortMissing | NoEndpoints, NginxInc) => "502",
        (ServiceMissing | PortMissing | NoEndpoints | Denied, _) => "503",
        (Refused | HungUp, Nginx | NginxInc | Traefik) => "502",
        (HungUp, HaProxy) => "502",
        (Refused | HungUp, _) => "503",
        (Slow, _) | (Dropped, Nginx | NginxInc | Traefik) => "504",
        (Dropped, _) => "503",
        (InvalidRoute, Traefik | Contour) => "404",
        (InvalidRoute, EnvoyGateway | Cilium) => "500",
        (InvalidRoute, _) => "503",
        (Limited, Nginx) => "503",
        (Limited, _) => "429",
        (Forbidden, _) => "403",
        (Application, _) => "the application's own 5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes;

    #[test]
    fn one_fault_has_a_code_of_each_controllers_own() {
        let of = |flavor, cause| fault_of(cause).map(|fault| predicted(flavor, fault, false));
        assert_eq!(of(Flavor::Nginx, "svc-missing"), Some("503"));
        assert_eq!(of(Flavor::NginxInc, "svc-missing"), Some("502"));
        assert_eq!(of(Flavor::Traefik, "svc-missing"), Some("404"));
        assert_eq!(of(Flavor::EnvoyGateway, "svc-missing"), Some("500"));
        assert_eq!(of(Flavor::EnvoyGateway, "svc-targetport-wrong"), Some("503"));
        assert_eq!(of(Flavor::Nginx, "svc-targetport-wrong"), Some("502"));
        assert_eq!(of(Flavor::Nginx, "netpol-deny-ingress"), Some("504"));
        assert_eq!(of(Flavor::HaProxy, "netpol-deny-ingress"), Some("503"));
        assert_eq!(predicted(Flavor::Traefik, Fault::NoEndpoints, true), "503");
        assert_eq!(of(Flavor::Nginx, "taint-untolerated"), None, "a cause behind the pods says nothing of itself");
    }

    #[test]
    fn every_cause_of_a_url_has_a_fault() {
        // A rule with a faulty look of its own, but none that a client meets at once.
        let silent = ["ingress-duplicate-owner", "traefik-service-error"];
        for cause in causes::table().filter(|cause| cause.is_for("URL") && !silent.contains(&cause.id)) {
            assert!(fault_of(cause.id).is_some(), "{}", cause.id);
        }
    }
}
