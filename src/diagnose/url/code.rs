//! Which status code a controller gives for which fault (causes C.1). Predictions, not proof: data-plane answers of
//! proxies depend on their configuration.

use super::route::Flavor;

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
    /// The route itself is invalid.
    InvalidRoute,
    /// No controller pod answers.
    NoController,
}

/// The fault that a cause stands for, if a URL's client would meet it.
pub fn fault_of(cause: &str) -> Option<Fault> {
    Some(match cause {
        "ingress-host-mismatch"
        | "ingress-path-mismatch"
        | "ingress-class-missing"
        | "gw-route-not-attached"
        | "gw-route-hostname-mismatch"
        | "traefik-entrypoint-mismatch" => Fault::NotMatched,
        "svc-missing" => Fault::ServiceMissing,
        "svc-port-mismatch" => Fault::PortMissing,
        "svc-selector-no-pods" | "svc-targetport-name-missing" | "eps-not-ready-only" | "eps-terminating-only" => {
            Fault::NoEndpoints
        }
        "svc-targetport-wrong" | "pod-listens-localhost" => Fault::Refused,
        c if c.starts_with("netpol-") => Fault::Dropped,
        "traefik-middleware-missing" | "gw-ref-not-permitted" | "gw-backend-not-found" => Fault::InvalidRoute,
        "ingress-controller-down" | "gw-listener-not-ready" => Fault::NoController,
        _ => return None,
    })
}

/// What the client gets: `503`, or words where it gets no answer. `allow_empty` is Traefik's `allowEmptyServices`.
pub fn predicted(flavor: Flavor, fault: Fault, allow_empty: bool) -> &'static str {
    use Fault::*;
    use Flavor::*;
    match (fault, flavor) {
        (NoController, _) => "no answer (connection refused or a timeout)",
        (NotMatched, _) => "404",
        (ServiceMissing | PortMissing, Traefik | HaProxy) => "404",
        (ServiceMissing | PortMissing, EnvoyGateway) => "500",
        (NoEndpoints, Traefik) if !allow_empty => "404",
        (ServiceMissing | PortMissing | NoEndpoints, _) => "503",
        (Refused, Nginx | Traefik) => "502",
        (Refused, _) => "503",
        (Dropped, Nginx | Traefik) => "504",
        (Dropped, _) => "503",
        (InvalidRoute, Traefik | Contour) => "404",
        (InvalidRoute, EnvoyGateway) => "500",
        (InvalidRoute, _) => "503",
    }
}
