//! What sort of credential something is.

use std::fmt;

/// Declares the kinds once: variant, stable identifier, words for people, and what may be shown of it.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $id:literal, $title:literal;)*) => {
        /// What sort of credential something is. The identifiers are stable: suppressions and reports carry them.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = $title] $variant,)*
        }

        impl Kind {
            /// Every kind, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable identifier, such as `github-token`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// Words for people, in lower case where the name allows it, without an article.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

kinds! {
    AgeSecretKey = "age-secret-key", "age secret key";
    AirtableToken = "airtable-token", "Airtable token";
    AnthropicKey = "anthropic-key", "Anthropic API key";
    ArtifactoryKey = "artifactory-key", "Artifactory API key";
    AtlassianToken = "atlassian-token", "Atlassian API token";
    AwsAccessKeyId = "aws-access-key-id", "AWS access key id";
    AwsSecretKey = "aws-secret-key", "AWS secret access key";
    AzureClientSecret = "azure-client-secret", "Azure AD client secret";
    AzureDevopsToken = "azure-devops-token", "Azure DevOps token";
    AzureSas = "azure-sas", "Azure shared access signature";
    AzureStorageKey = "azure-storage-key", "Azure account key";
    BasicAuth = "basic-auth", "HTTP basic credentials";
    BearerToken = "bearer-token", "bearer token";
    BuildkiteToken = "buildkite-token", "Buildkite token";
    CircleciToken = "circleci-token", "CircleCI token";
    CratesIoToken = "crates-io-token", "crates.io token";
    DatabricksToken = "databricks-token", "Databricks token";
    DigitaloceanToken = "digitalocean-token", "DigitalOcean token";
    DiscordWebhook = "discord-webhook", "Discord webhook address";
    DockerHubToken = "docker-hub-token", "Docker Hub token";
    DopplerToken = "doppler-token", "Doppler token";
    EncryptedPrivateKey = "encrypted-private-key", "private key under a passphrase";
    FigmaToken = "figma-token", "Figma token";
    FlyToken = "fly-token", "Fly.io token";
    GcpServiceAccountKey = "gcp-service-account-key", "Google Cloud service account key";
    GithubToken = "github-token", "GitHub token";
    GitlabToken = "gitlab-token", "GitLab token";
    GoogleApiKey = "google-api-key", "Google API key";
    GoogleOauthSecret = "google-oauth-secret", "Google OAuth client secret";
    GrafanaToken = "grafana-token", "Grafana token";
    GroqKey = "groq-key", "Groq API key";
    HarnessToken = "harness-token", "Harness token";
    HerokuToken = "heroku-token", "Heroku token";
    HuggingFaceToken = "hugging-face-token", "Hugging Face token";
    JsonWebToken = "json-web-token", "JSON web token";
    K3sToken = "k3s-token", "k3s cluster token";
    LinearKey = "linear-key", "Linear API key";
    MailchimpKey = "mailchimp-key", "Mailchimp API key";
    MailgunKey = "mailgun-key", "Mailgun API key";
    NewRelicKey = "new-relic-key", "New Relic key";
    NotionToken = "notion-token", "Notion token";
    NpmToken = "npm-token", "npm token";
    NugetKey = "nuget-key", "NuGet API key";
    OpenaiKey = "openai-key", "OpenAI API key";
    Password = "password", "password";
    PasswordHash = "password-hash", "password hash";
    PerplexityKey = "perplexity-key", "Perplexity API key";
    PlanetscaleToken = "planetscale-token", "PlanetScale token";
    PostmanKey = "postman-key", "Postman API key";
    PrivateKey = "private-key", "private key";
    PulumiToken = "pulumi-token", "Pulumi token";
    PypiToken = "pypi-token", "PyPI token";
    RegistryAuth = "registry-auth", "registry login";
    ReplicateToken = "replicate-token", "Replicate token";
    RubygemsKey = "rubygems-key", "RubyGems key";
    Secret = "secret", "secret value";
    SendgridKey = "sendgrid-key", "SendGrid key";
    SentryToken = "sentry-token", "Sentry token";
    ServiceAccountToken = "service-account-token", "Kubernetes service account token";
    ShopifyToken = "shopify-token", "Shopify token";
    SlackToken = "slack-token", "Slack token";
    SlackWebhook = "slack-webhook", "Slack webhook address";
    SonarToken = "sonar-token", "SonarQube token";
    SquareToken = "square-token", "Square token";
    StripeKey = "stripe-key", "Stripe key";
    SupabaseToken = "supabase-token", "Supabase token";
    SwarmToken = "swarm-token", "Docker Swarm key";
    TailscaleKey = "tailscale-key", "Tailscale key";
    TeamsWebhook = "teams-webhook", "Microsoft Teams webhook address";
    TelegramToken = "telegram-token", "Telegram bot token";
    TerraformToken = "terraform-token", "Terraform Cloud token";
    TwilioKey = "twilio-key", "Twilio API key";
    UrlPassword = "url-password", "password in an address";
    VaultToken = "vault-token", "HashiCorp Vault token";
    WeakPassword = "weak-password", "well-known default password";
    XaiKey = "xai-key", "xAI API key";
}

impl Kind {
    /// True for kinds that only a name gave away, not a shape of their own.
    pub const fn is_generic(self) -> bool {
        matches!(self, Self::Password | Self::WeakPassword | Self::Secret)
    }

    /// True for keys in PEM form, whether a passphrase guards them or not.
    pub const fn is_private_key(self) -> bool {
        matches!(self, Self::PrivateKey | Self::EncryptedPrivateKey | Self::GcpServiceAccountKey)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
