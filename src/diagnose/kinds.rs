//! The kinds that causes ask for, and the plural of any other kind.

use crate::world::object::{ObjectRef, ResourceId};

/// A kind that causes know by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// API group, empty for core.
    pub group: &'static str,
    /// Plural, as in the URL.
    pub plural: &'static str,
    /// Kind in CamelCase.
    pub kind: &'static str,
}

impl Known {
    /// Group and plural.
    pub fn id(self) -> ResourceId {
        ResourceId::new(self.group, self.plural)
    }

    /// A reference to an object of this kind.
    pub fn at(self, namespace: &str, name: &str) -> ObjectRef {
        ObjectRef::new(self.group, self.kind, namespace, name)
    }

    /// Whether a reference is of this kind.
    pub fn is(self, at: &ObjectRef) -> bool {
        self.kind == at.kind && self.group == at.group
    }
}

macro_rules! known {
    ($($name:ident $group:literal $plural:literal $kind:literal;)*) => {
        $(#[doc = concat!("`", $plural, "` of the group `", $group, "`.")]
        pub const $name: Known = Known { group: $group, plural: $plural, kind: $kind };)*
        /// Every kind above.
        pub const ALL: &[Known] = &[$($name),*];
    };
}

known! {
    PODS "" "pods" "Pod";
    NODES "" "nodes" "Node";
    EVENTS "" "events" "Event";
    SERVICES "" "services" "Service";
    ENDPOINTS "" "endpoints" "Endpoints";
    SECRETS "" "secrets" "Secret";
    CONFIGMAPS "" "configmaps" "ConfigMap";
    NAMESPACES "" "namespaces" "Namespace";
    CLAIMS "" "persistentvolumeclaims" "PersistentVolumeClaim";
    VOLUMES "" "persistentvolumes" "PersistentVolume";
    LIMITRANGES "" "limitranges" "LimitRange";
    QUOTAS "" "resourcequotas" "ResourceQuota";
    REPLICATIONCONTROLLERS "" "replicationcontrollers" "ReplicationController";
    SERVICEACCOUNTS "" "serviceaccounts" "ServiceAccount";
    DEPLOYMENTS "apps" "deployments" "Deployment";
    REPLICASETS "apps" "replicasets" "ReplicaSet";
    STATEFULSETS "apps" "statefulsets" "StatefulSet";
    DAEMONSETS "apps" "daemonsets" "DaemonSet";
    JOBS "batch" "jobs" "Job";
    CRONJOBS "batch" "cronjobs" "CronJob";
    SLICES "discovery.k8s.io" "endpointslices" "EndpointSlice";
    INGRESSES "networking.k8s.io" "ingresses" "Ingress";
    INGRESSCLASSES "networking.k8s.io" "ingressclasses" "IngressClass";
    NETWORKPOLICIES "networking.k8s.io" "networkpolicies" "NetworkPolicy";
    STORAGECLASSES "storage.k8s.io" "storageclasses" "StorageClass";
    CSIDRIVERS "storage.k8s.io" "csidrivers" "CSIDriver";
    CSINODES "storage.k8s.io" "csinodes" "CSINode";
    CSICAPACITIES "storage.k8s.io" "csistoragecapacities" "CSIStorageCapacity";
    ATTACHMENTS "storage.k8s.io" "volumeattachments" "VolumeAttachment";
    RUNTIMECLASSES "node.k8s.io" "runtimeclasses" "RuntimeClass";
    RESOURCECLAIMS "resource.k8s.io" "resourceclaims" "ResourceClaim";
    RESOURCESLICES "resource.k8s.io" "resourceslices" "ResourceSlice";
    DEVICECLASSES "resource.k8s.io" "deviceclasses" "DeviceClass";
    NODECLAIMS "karpenter.sh" "nodeclaims" "NodeClaim";
    NODEPOOLS "karpenter.sh" "nodepools" "NodePool";
    LEASES "coordination.k8s.io" "leases" "Lease";
    PDBS "policy" "poddisruptionbudgets" "PodDisruptionBudget";
    POD_METRICS "metrics.k8s.io" "pods" "PodMetrics";
    HPAS "autoscaling" "horizontalpodautoscalers" "HorizontalPodAutoscaler";
    RESOURCECLAIMTEMPLATES "resource.k8s.io" "resourceclaimtemplates" "ResourceClaimTemplate";
    PRIORITYCLASSES "scheduling.k8s.io" "priorityclasses" "PriorityClass";
    ADMISSIONPOLICIES "admissionregistration.k8s.io" "validatingadmissionpolicies" "ValidatingAdmissionPolicy";
    MUTATINGWEBHOOKS "admissionregistration.k8s.io" "mutatingwebhookconfigurations" "MutatingWebhookConfiguration";
    VALIDATINGWEBHOOKS "admissionregistration.k8s.io" "validatingwebhookconfigurations" "ValidatingWebhookConfiguration";
    APISERVICES "apiregistration.k8s.io" "apiservices" "APIService";
    CSRS "certificates.k8s.io" "certificatesigningrequests" "CertificateSigningRequest";
    APPLICATIONS "argoproj.io" "applications" "Application";
    APPLICATIONSETS "argoproj.io" "applicationsets" "ApplicationSet";
    APPPROJECTS "argoproj.io" "appprojects" "AppProject";
    EXTERNALSECRETS "external-secrets.io" "externalsecrets" "ExternalSecret";
    SEALEDSECRETS "bitnami.com" "sealedsecrets" "SealedSecret";
    SECRETSTORES "external-secrets.io" "secretstores" "SecretStore";
    CLUSTERSECRETSTORES "external-secrets.io" "clustersecretstores" "ClusterSecretStore";
    CERTIFICATES "cert-manager.io" "certificates" "Certificate";
    CERTIFICATEREQUESTS "cert-manager.io" "certificaterequests" "CertificateRequest";
    ISSUERS "cert-manager.io" "issuers" "Issuer";
    CLUSTERISSUERS "cert-manager.io" "clusterissuers" "ClusterIssuer";
    ORDERS "acme.cert-manager.io" "orders" "Order";
    CHALLENGES "acme.cert-manager.io" "challenges" "Challenge";
    INGRESSROUTES "traefik.io" "ingressroutes" "IngressRoute";
    MIDDLEWARES "traefik.io" "middlewares" "Middleware";
    TRAEFIKSERVICES "traefik.io" "traefikservices" "TraefikService";
    CILIUMPOLICIES "cilium.io" "ciliumnetworkpolicies" "CiliumNetworkPolicy";
    CILIUMCLUSTERPOLICIES "cilium.io" "ciliumclusterwidenetworkpolicies" "CiliumClusterwideNetworkPolicy";
    GATEWAYCLASSES "gateway.networking.k8s.io" "gatewayclasses" "GatewayClass";
    GATEWAYS "gateway.networking.k8s.io" "gateways" "Gateway";
    HTTPROUTES "gateway.networking.k8s.io" "httproutes" "HTTPRoute";
    GRPCROUTES "gateway.networking.k8s.io" "grpcroutes" "GRPCRoute";
    BACKENDTLSPOLICIES "gateway.networking.k8s.io" "backendtlspolicies" "BackendTLSPolicy";
    TLSROUTES "gateway.networking.k8s.io" "tlsroutes" "TLSRoute";
    HTTPPROXIES "projectcontour.io" "httpproxies" "HTTPProxy";
    VIRTUALSERVERS "k8s.nginx.org" "virtualservers" "VirtualServer";
    VIRTUALSERVICES "networking.istio.io" "virtualservices" "VirtualService";
    OPENSHIFTROUTES "route.openshift.io" "routes" "Route";
    REFERENCEGRANTS "gateway.networking.k8s.io" "referencegrants" "ReferenceGrant";
}

/// The resource of a reference: from the list above, else guessed the way
/// `meta.UnsafeGuessKindToResource` (apimachinery) does.
pub fn resource_of(at: &ObjectRef) -> ResourceId {
    match ALL.iter().find(|known| known.is(at)) {
        Some(known) => known.id(),
        None => ResourceId::new(&at.group, &plural_of(&at.kind)),
    }
}

fn plural_of(kind: &str) -> String {
    let lower = kind.to_lowercase();
    if lower.ends_with("endpoints") {
        return lower;
    }
    match lower.chars().last() {
        Some('s') => format!("{lower}es"),
        Some('y') => format!("{}ies", &lower[..lower.len() - 1]),
        _ => format!("{lower}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_guessed_like_the_client_does() {
        for known in ALL.iter().filter(|k| k.plural != "gateways" && k.group != "metrics.k8s.io") {
            let guessed = plural_of(known.kind);
            assert!(guessed == known.plural || known.kind.ends_with("Class"), "{} {guessed}", known.kind);
        }
        assert_eq!(resource_of(&ObjectRef::new("example.com", "Policy", "", "x")).to_string(), "policies.example.com");
    }
}
