//! Somebody at a desk: a server, a browser, and whoever is logged in.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use nightlatch_asset::{Observation, Record};
use nightlatch_e2e::console::{Console, Estate};
use serde_json::{Value, json};

/// How wide and high the window is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

pub(crate) const LIGHT: Screen = Screen { width: 1280, height: 800, dark: false };
pub(crate) const DARK: Screen = Screen { dark: true, ..LIGHT };
pub(crate) const NARROW: Screen = Screen { width: 360, height: 740, dark: false };
pub(crate) const NARROW_DARK: Screen = Screen { dark: true, ..NARROW };

/// A command of Chromium's own driver.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (hyper::Method, Option<String>) {
        (hyper::Method::POST, Some(self.body.to_string()))
    }
}

/// A server with these observations, and a browser in front of it.
pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) console: Console,
    _driver: Driver,
    _estate: Estate,
}

/// A running chromedriver; ends with the value.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `work` at a desk, and closes the browser afterwards.
pub(crate) fn at_desk(observations: &[Observation], work: impl AsyncFnOnce(&Desk)) {
    at_prepared_desk(observations, |_| (), work);
}

/// As [`at_desk`], with a data directory that somebody has worked in before.
pub(crate) fn at_prepared_desk(
    observations: &[Observation],
    prepare: impl FnOnce(&Estate),
    work: impl AsyncFnOnce(&Desk),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let desk = runtime.block_on(Desk::open(observations, prepare));
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(work(&desk))));
    // Also when the test failed: a browser that nobody closes lives on.
    let closed = runtime.block_on(desk.client.clone().close());
    if let Err(panicked) = done {
        std::panic::resume_unwind(panicked);
    }
    closed.unwrap();
}

impl Desk {
    async fn open(observations: &[Observation], prepare: impl FnOnce(&Estate)) -> Self {
        let estate = Estate::new();
        if !observations.is_empty() {
            store(&estate, observations);
        }
        prepare(&estate);
        let console = estate.serve();
        let (driver, port) = start_driver(&estate);
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            // Nothing but this machine can be reached, whatever a page asks for.
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        ];
        let wanted = json!({
            "browserName": "chrome",
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "goog:chromeOptions": { "args": arguments },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self { client, console, _driver: driver, _estate: estate }
    }

    /// An address of the server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.console.address)
    }

    pub(crate) async fn goto(&self, path: &str) {
        self.client.goto(&self.url(path)).await.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Logs in with the first key.
    pub(crate) async fn log_in(&self) {
        self.goto("/login").await;
        let field = self.client.find(Locator::Css("input[name=key]")).await.unwrap();
        field.send_keys(self.console.key()).await.unwrap();
        self.follow(Locator::Css("form button")).await;
        assert_eq!(self.client.current_url().await.unwrap().path(), "/", "logged in");
    }

    /// Runs a script of the test in the page.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// A command of the developer tools.
    pub(crate) async fn tool(&self, command: &str, parameters: Value) {
        let body = json!({ "cmd": command, "params": parameters });
        self.client.issue_cmd(Own { path: "goog/cdp/execute", body }).await.unwrap();
    }

    pub(crate) async fn look_at(&self, screen: Screen) {
        let scheme = if screen.dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            // A colour that is still changing has no contrast to measure.
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        let media = json!({ "features": features });
        self.tool("Emulation.setEmulatedMedia", media).await;
        let size = json!({ "width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": false });
        self.tool("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// What the console of the browser says that it should not: errors, warnings, refusals of the policy.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log =
            self.client.issue_cmd(Own { path: "se/log", body: json!({ "type": "browser" }) }).await.unwrap();
        let entries = log.as_array().unwrap().iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    /// Every address that the browser has asked for since the last look.
    pub(crate) async fn requests(&self) -> Vec<String> {
        let log = self
            .client
            .issue_cmd(Own { path: "se/log", body: json!({ "type": "performance" }) })
            .await
            .unwrap();
        let entries =
            log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap_or_default());
        let messages = entries.filter_map(|text| serde_json::from_str::<Value>(text).ok());
        messages
            .filter(|message| message["message"]["method"] == "Network.requestWillBeSent")
            .map(|message| {
                message["message"]["params"]["request"]["url"].as_str().unwrap_or_default().to_owned()
            })
            .collect()
    }
}

/// Stores observations as somebody does who imports a file.
fn store(estate: &Estate, observations: &[Observation]) {
    let path = estate.path("observations.json.gz");
    let mut writer = nightlatch_banner::Writer::new(std::fs::File::create(&path).unwrap());
    for (id, observation) in (1..).zip(observations) {
        let time = observation.time;
        let observation = observation.clone();
        let record =
            Record { id, first_seen: time, last_seen: time, times_seen: 1, latest: true, observation };
        writer.write(&record).unwrap();
    }
    writer.finish().unwrap();
    let (code, said) = estate.run(&["import", path.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
}

fn start_driver(estate: &Estate) -> (Driver, u16) {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig=KILL", "chromedriver", "--port=0", "--log-level=WARNING"]);
    estate.tidy(&mut command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("chromedriver does not start ({error}); install chromium-driver"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.by_ref().take(50).find_map(|line| {
        let line = line.ok()?;
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    });
    // What it says later is read, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    (Driver(child), port.unwrap_or_else(|| panic!("chromedriver does not say its port")))
}

/// How long something in the page may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

impl Desk {
    /// Waits until a script gives true.
    pub(crate) async fn wait(&self, script: &str) {
        let began = std::time::Instant::now();
        while self.ask(script).await != Value::Bool(true) {
            assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {script}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clicks something that leads to another page, and waits for that page.
    pub(crate) async fn follow(&self, what: Locator<'_>) {
        let element = self.client.find(what).await.unwrap_or_else(|error| panic!("{what:?}: {error}"));
        self.follow_by(element).await;
    }

    /// As [`Desk::follow`], of an element at hand.
    pub(crate) async fn follow_by(&self, element: fantoccini::elements::Element) {
        self.ask("window.pageBefore = true").await;
        element.click().await.unwrap();
        let script = "return window.pageBefore === undefined && document.readyState === 'complete'";
        let began = std::time::Instant::now();
        // Between two pages there is nothing to ask.
        while !matches!(self.client.execute(script, Vec::new()).await, Ok(Value::Bool(true))) {
            assert!(began.elapsed() < PATIENCE, "the click leads nowhere");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}
