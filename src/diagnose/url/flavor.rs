//! Who serves a route: the controllers that kokpit knows, and how their workloads are recognised.

use crate::world::object::{list_at, str_at};
use serde_json::Value;

/// Who serves a route; decides about matching and status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// ingress-nginx, of the Kubernetes project.
    Nginx,
    /// NGINX Ingress Controller, of F5 (NGINX Inc.).
    NginxInc,
    /// Traefik, for Ingress and IngressRoute.
    Traefik,
    /// HAProxy ingress controllers.
    HaProxy,
    /// Contour.
    Contour,
    /// Envoy Gateway.
    EnvoyGateway,
    /// Istio.
    Istio,
    /// Cilium's own Envoy, for Ingress and Gateway API.
    Cilium,
    /// Any other.
    Other,
}

impl Flavor {
    /// From a class' or gateway class' controller name (or a class' own name, where only that is known).
    pub fn of_controller(controller: &str) -> Self {
        match controller {
            // NGINX Gateway Fabric is neither of the two.
            c if c.contains("gateway.nginx.org") => Flavor::Other,
            c if c.contains("nginx.org") => Flavor::NginxInc,
            c if c.contains("nginx") => Flavor::Nginx,
            c if c.contains("traefik") => Flavor::Traefik,
            c if c.contains("haproxy") => Flavor::HaProxy,
            c if c.contains("contour") => Flavor::Contour,
            c if c.contains("envoyproxy") => Flavor::EnvoyGateway,
            c if c.contains("istio") => Flavor::Istio,
            c if c.contains("cilium") => Flavor::Cilium,
            _ => Flavor::Other,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Flavor::Nginx => "ingress-nginx",
            Flavor::NginxInc => "NGINX Ingress Controller",
            Flavor::Traefik => "Traefik",
            Flavor::HaProxy => "HAProxy",
            Flavor::Contour => "Contour",
            Flavor::EnvoyGateway => "Envoy Gateway",
            Flavor::Istio => "Istio",
            Flavor::Cilium => "Cilium",
            Flavor::Other => "the controller",
        }
    }

    /// Whether a pod of its own carries traffic. Contour's Envoys do, the pods that configure them do not.
    pub fn carries(self, spec: &Value) -> bool {
        self != Flavor::Contour || list_at(spec, "/containers").iter().any(|c| str_at(c, "/image").contains("envoy"))
    }

    /// Whether pods of this shape are its own: an object with `labels` and a pod's `spec` side by side, as a pod's and a
    /// workload's template's are handed over. `gateway` is the Gateway whose proxies are meant, where there is one.
    pub fn serves(self, labels: Option<&Value>, spec: &Value, gateway: &str) -> bool {
        let label = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        let image = |words: &[&str]| {
            list_at(spec, "/containers").iter().any(|c| words.iter().any(|w| str_at(c, "/image").contains(w)))
        };
        let of_gateway = |key: &str| label(key).is_some_and(|of| gateway.is_empty() || of == gateway);
        match self {
            Flavor::Nginx => {
                let named = label("app.kubernetes.io/name") == Some("ingress-nginx");
                image(&["ingress-nginx/controller", "nginx-ingress-controller"])
                    || (named && label("app.kubernetes.io/component") == Some("controller"))
            }
            Flavor::NginxInc => {
                // Old charts of ingress-nginx used the name too, and there is an operator of that name.
                let other = image(&["nginx-ingress-controller", "ingress-nginx/", "nginx-ingress-operator"]);
                let named = label("app.kubernetes.io/name") == Some("nginx-ingress");
                image(&["nginx/nginx-ingress:", "nginx/nginx-ingress@", "nginx-plus-ingress"]) || (named && !other)
            }
            Flavor::Traefik => {
                image(&["traefik:", "/traefik@", "/traefik/traefik"])
                    || label("app.kubernetes.io/name") == Some("traefik")
            }
            Flavor::HaProxy => image(&["haproxytech/kubernetes-ingress", "haproxy-ingress"]),
            Flavor::Contour => {
                image(&["projectcontour/"]) || (image(&["envoyproxy/envoy"]) && label("app") == Some("envoy"))
            }
            Flavor::EnvoyGateway => of_gateway("gateway.envoyproxy.io/owning-gateway-name"),
            Flavor::Istio => {
                label("istio") == Some("ingressgateway") || of_gateway("gateway.networking.k8s.io/gateway-name")
            }
            Flavor::Cilium => image(&["cilium/cilium-envoy"]) || label("k8s-app") == Some("cilium-envoy"),
            Flavor::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_two_controllers_that_are_called_nginx_are_told_apart() {
        assert_eq!(Flavor::of_controller("k8s.io/ingress-nginx"), Flavor::Nginx);
        assert_eq!(Flavor::of_controller("webapprouting.kubernetes.azure.com/nginx"), Flavor::Nginx);
        assert_eq!(Flavor::of_controller("nginx.org/ingress-controller"), Flavor::NginxInc);
        assert_eq!(Flavor::of_controller("gateway.nginx.org/nginx-gateway-controller"), Flavor::Other);
        let both = |image: &str, name: &str| {
            let (labels, spec) = (json!({"app.kubernetes.io/name": name}), json!({"containers": [{"image": image}]}));
            [Flavor::Nginx, Flavor::NginxInc].map(|flavor| flavor.serves(Some(&labels), &spec, ""))
        };
        assert_eq!(both("registry.k8s.io/ingress-nginx/controller:v1.15.1", "ingress-nginx"), [true, false]);
        assert_eq!(
            both("quay.io/kubernetes-ingress-controller/nginx-ingress-controller:0.30.0", "nginx-ingress"),
            [true, false]
        );
        assert_eq!(both("nginx/nginx-ingress:5.2.0", ""), [false, true]);
        assert_eq!(both("mirror.example/nic:5", "nginx-ingress"), [false, true]);
        assert_eq!(both("nginx/nginx-ingress-operator:3", ""), [false, false]);
    }
}
