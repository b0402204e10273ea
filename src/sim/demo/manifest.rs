//! The manifests of the demo's applications, as a person writes them: YAML, one object per file.

/// A Deployment.
pub struct Deployment<'a> {
    /// Name of the Deployment, its container and its `app` label.
    pub name: &'a str,
    /// Image.
    pub image: &'a str,
    /// `spec.replicas`
    pub replicas: u32,
    /// Request of cpu.
    pub cpu: &'a str,
    /// Request and limit of memory.
    pub memory: &'a str,
    /// Port of the container, named `http`; none for workers.
    pub port: Option<u16>,
    /// ConfigMap whose keys become the environment.
    pub config: Option<&'a str>,
    /// More lines under the pod's `spec`, indented by six.
    pub more: &'a str,
}

impl Deployment<'_> {
    /// The file.
    pub fn yaml(&self) -> String {
        let Self { name, image, replicas, cpu, memory, more, .. } = self;
        let ports = self.port.map_or_else(String::new, |p| {
            format!(
                "          ports:\n            - name: http\n              containerPort: {p}\n          readinessProbe:\n            httpGet:\n              path: /healthz\n              port: http\n"
            )
        });
        let config = self.config.map_or_else(String::new, |c| {
            format!("          envFrom:\n            - configMapRef:\n                name: {c}\n")
        });
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    app: {name}
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
{more}      containers:
        - name: {name}
          image: {image}
{ports}{config}          resources:
            requests:
              cpu: {cpu}
              memory: {memory}
            limits:
              memory: {memory}
"
        )
    }
}

/// A Service on port 80 in front of the pods with the label `app`.
pub fn service(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector:
    app: {name}
  ports:
    - name: http
      port: 80
      targetPort: http
"
    )
}

/// A PodDisruptionBudget; `rule` is `minAvailable: 2` or `maxUnavailable: 1`.
pub fn budget(name: &str, rule: &str) -> String {
    format!(
        "apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {name}
spec:
  {rule}
  selector:
    matchLabels:
      app: {name}
"
    )
}

/// A ConfigMap.
pub fn config(name: &str, data: &[(&str, &str)]) -> String {
    let lines: String = data.iter().map(|(k, v)| format!("  {k}: \"{v}\"\n")).collect();
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines}")
}

/// An Ingress of class nginx: paths to Services.
pub fn ingress(name: &str, host: &str, paths: &[(&str, &str)]) -> String {
    let rules: String = paths
        .iter()
        .map(|(path, service)| {
            format!(
                "          - path: {path}
            pathType: Prefix
            backend:
              service:
                name: {service}
                port:
                  name: http
"
            )
        })
        .collect();
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
spec:
  ingressClassName: nginx
  rules:
    - host: {host}
      http:
        paths:
{rules}"
    )
}

/// A StatefulSet with one claim of class `standard` per pod, and its headless Service.
pub fn database(name: &str, image: &str, replicas: u32, memory: &str, storage: &str, more: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  clusterIP: None
  selector:
    app: {name}
  ports:
    - name: main
      port: 5432
      targetPort: main
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {name}
  labels:
    app: {name}
spec:
  replicas: {replicas}
  serviceName: {name}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
{more}      containers:
        - name: {name}
          image: {image}
          ports:
            - name: main
              containerPort: 5432
          resources:
            requests:
              cpu: 500m
              memory: {memory}
            limits:
              memory: {memory}
          volumeMounts:
            - name: data
              mountPath: /data
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes:
          - ReadWriteOnce
        storageClassName: standard
        resources:
          requests:
            storage: {storage}
"
    )
}

/// A DaemonSet that runs everywhere.
pub fn everywhere(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {name}
spec:
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      tolerations:
        - operator: Exists
      containers:
        - name: {name}
          image: {image}
          resources:
            requests:
              cpu: 50m
              memory: 64Mi
"
    )
}
