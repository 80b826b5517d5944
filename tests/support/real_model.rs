//! A real model on a server with `OpenAI`'s protocol, for whoever has one; see `.github/CONTRIBUTING.md`.

/// Names the server's address and the model, with a blank between them.
pub const VARIABLE: &str = "NIGHTDESK_REAL_MODEL";

/// A server and its model.
pub struct RealModel {
    pub address: String,
    pub name: String,
}

impl RealModel {
    /// Reads [`VARIABLE`]; says how to set it if it is unset.
    pub fn from_env() -> Option<Self> {
        let value = std::env::var(VARIABLE).unwrap_or_default();
        let found = value
            .trim()
            .split_once(' ')
            .map(|(address, name)| Self { address: address.to_owned(), name: name.trim().to_owned() });
        if found.is_none() {
            println!(
                "skipped: set {VARIABLE} to the address and the model, for example \"http://127.0.0.1:8080/v1 qwen3\""
            );
        }
        found
    }

    /// The configuration that makes it the model of every agent.
    pub fn config(&self) -> String {
        let (address, name) = (&self.address, &self.name);
        format!(
            "model = \"real/{name}\"\nprovider.real = {{ kind = \"openai\", base_url = \"{address}\", max_parallel = 1 }}\n"
        )
    }
}
