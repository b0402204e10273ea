//! What is in the demo's repository: the applications of both clusters when all was well, and the commits since.

use super::manifest::{Deployment, budget, config, database, everywhere, ingress, service};

/// One Application and its directory, `apps/<cluster>/<name>`.
pub struct App {
    /// Cluster.
    pub cluster: &'static str,
    /// Name of the Application.
    pub name: &'static str,
    /// Namespace its objects go to.
    pub namespace: &'static str,
    /// Whether live changes are undone.
    pub self_heal: bool,
    /// File name and text.
    pub files: Vec<(&'static str, String)>,
}

impl App {
    /// Its directory in the repository.
    pub fn path(&self) -> String {
        format!("apps/{}/{}", self.cluster, self.name)
    }
}

/// A commit that changed one file: what broke something.
pub struct Change {
    /// Author's name.
    pub author: &'static str,
    /// Subject.
    pub subject: &'static str,
    /// File.
    pub path: &'static str,
    /// Text before and after; the file holds the text before exactly once.
    pub edit: (&'static str, &'static str),
}

/// The history since all was well, oldest first.
pub const CHANGES: [Change; 4] = [
    Change {
        author: "Jonas Weber",
        subject: "recommender: the new model wants 7Gi",
        path: "apps/prod-us/recommender/deployment.yaml",
        edit: ("memory: 1Gi", "memory: 7Gi"),
    },
    Change {
        author: "Lin Chen",
        subject: "reports: quarter-end reports need more memory",
        path: "apps/prod-eu/reports/deployment.yaml",
        edit: ("memory: 1Gi", "memory: 7Gi"),
    },
    Change {
        author: "Jonas Weber",
        subject: "search: run on the fast disks",
        path: "apps/prod-eu/search/deployment.yaml",
        edit: ("disktype: ssd", "disktype: nvme"),
    },
    Change {
        author: "Tom Okafor",
        subject: "cart: label of the second generation",
        path: "apps/prod-eu/cart/service.yaml",
        edit: ("app: cart\n", "app: cart2\n"),
    },
];

fn plain(name: &'static str, image: &'static str, replicas: u32, memory: &'static str) -> Deployment<'static> {
    Deployment { name, image, replicas, cpu: "100m", memory, port: Some(8080), config: None, more: "" }
}

fn web(cluster: &'static str, host: &str, replicas: u32) -> App {
    let deployment =
        Deployment { config: Some("web"), ..plain("web", "registry.example.com/shop/web:5.12.0", replicas, "512Mi") };
    App {
        cluster,
        name: "web",
        namespace: "shop",
        self_heal: true,
        files: vec![
            ("deployment.yaml", deployment.yaml()),
            ("service.yaml", service("web")),
            ("budget.yaml", budget("web", "minAvailable: 2")),
            (
                "config.yaml",
                config("web", &[("LOG_LEVEL", "info"), ("CART_URL", "http://cart"), ("FEATURE_NEW_MENU", "on")]),
            ),
            ("ingress.yaml", ingress("shop", host, &[("/cart", "cart"), ("/", "web")])),
        ],
    }
}

fn stateless(cluster: &'static str, namespace: &'static str, rule: &str, deployment: Deployment<'static>) -> App {
    let name = deployment.name;
    let mut files = vec![("deployment.yaml", deployment.yaml())];
    if deployment.port.is_some() {
        files.push(("service.yaml", service(name)));
    }
    if !rule.is_empty() {
        files.push(("budget.yaml", budget(name, rule)));
    }
    App { cluster, name, namespace, self_heal: true, files }
}

fn monitoring(cluster: &'static str) -> App {
    App {
        cluster,
        name: "monitoring",
        namespace: "monitoring",
        self_heal: true,
        files: vec![
            ("node-exporter.yaml", everywhere("node-exporter", "quay.io/prometheus/node-exporter:v1.9.1")),
            ("prometheus.yaml", database("prometheus", "quay.io/prometheus/prometheus:v3.5.0", 1, "1Gi", "50Gi", "")),
            ("grafana.yaml", plain("grafana", "docker.io/grafana/grafana:12.1.0", 1, "256Mi").yaml()),
        ],
    }
}

/// Every application, as it was when all was well.
pub fn apps() -> Vec<App> {
    let (eu, us) = ("prod-eu", "prod-us");
    let on_db_nodes = "      nodeSelector:\n        pool: db\n      tolerations:\n        - key: dedicated\n          operator: Equal\n          value: db\n          effect: NoSchedule\n";
    let on_ssd = "      nodeSelector:\n        disktype: ssd\n";
    let worker = |name, image| Deployment { port: None, ..plain(name, image, 2, "256Mi") };
    let database_files = vec![
        ("postgres.yaml", database("postgres", "docker.io/library/postgres:17.6", 2, "4Gi", "100Gi", on_db_nodes)),
        ("budget.yaml", budget("postgres", "maxUnavailable: 1")),
    ];
    let mut payments = stateless(
        us,
        "payments",
        "minAvailable: 1",
        plain("payments", "registry.example.com/pay/payments:2.8.3", 2, "512Mi"),
    );
    payments.self_heal = false;
    vec![
        web(eu, "shop.example.com", 3),
        stateless(eu, "shop", "maxUnavailable: 1", plain("cart", "registry.example.com/shop/cart:3.4.1", 3, "512Mi")),
        stateless(eu, "shop", "", plain("checkout", "registry.example.com/shop/checkout:1.9.0", 2, "768Mi")),
        stateless(eu, "shop", "", plain("catalog", "registry.example.com/shop/catalog:7.0.2", 2, "512Mi")),
        App { cluster: eu, name: "postgres", namespace: "db", self_heal: true, files: database_files },
        stateless(eu, "analytics", "", plain("reports", "registry.example.com/bi/reports:0.8.0", 2, "1Gi")),
        stateless(
            eu,
            "search",
            "",
            Deployment { more: on_ssd, ..plain("search", "registry.example.com/search/search:4.2.2", 2, "512Mi") },
        ),
        stateless(eu, "shop", "", worker("mailer", "registry.example.com/shop/mailer:1.2.0")),
        monitoring(eu),
        web(us, "shop-us.example.com", 3),
        stateless(us, "shop", "maxUnavailable: 1", plain("cart", "registry.example.com/shop/cart:3.4.1", 3, "512Mi")),
        stateless(us, "shop", "", plain("checkout", "registry.example.com/shop/checkout:1.9.0", 2, "768Mi")),
        payments,
        stateless(us, "payments", "", worker("ledger", "registry.example.com/pay/ledger:2.8.3")),
        stateless(us, "ml", "", plain("recommender", "registry.example.com/ml/recommender:11.0.0", 2, "1Gi")),
        monitoring(us),
    ]
}

/// Every file of the repository when all was well.
pub fn files() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = apps()
        .into_iter()
        .flat_map(|app| {
            let path = app.path();
            app.files.into_iter().map(move |(file, text)| (format!("{path}/{file}"), text))
        })
        .collect();
    all.push(("README.md".into(), "# fleet\n\n`apps/<cluster>/<application>`: what Argo CD deploys.\n`clusters/<cluster>/nodes`: what holds for the nodes.\n".into()));
    for cluster in super::CLUSTERS {
        let text = format!("# Nodes of {cluster}\n\nOne file for each node that something was decided about.\n");
        all.push((format!("{}/README.md", super::nodes_path(cluster)), text));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_finds_its_place() {
        let files = files();
        for change in &CHANGES {
            let (_, text) = files.iter().find(|(path, _)| path == change.path).expect(change.path);
            assert!(text.contains(change.edit.0), "{}", change.subject);
        }
    }

    #[test]
    fn every_manifest_is_yaml_with_a_kind() {
        for (path, text) in files().iter().filter(|(path, _)| path.ends_with(".yaml")) {
            let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(text).expect(path);
            assert!(documents.iter().all(|d| d["kind"].is_string() && d["metadata"]["name"].is_string()), "{path}");
        }
    }
}
