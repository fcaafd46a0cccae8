use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};

use super::{Draw, names, products::Product};

/// The head of an HTTP response, about 600 bytes; the `Date` line differs from one answer to the next.
pub(super) fn http_head(
    product: &Product,
    status: u16,
    version: &str,
    second: i64,
    host: Option<&String>,
    draw: &mut Draw,
) -> String {
    let reason = match status {
        200 => "OK",
        302 => "Found",
        401 => "Unauthorized",
        403 => "Forbidden",
        _ => "Not Found",
    };
    let mut out = String::with_capacity(800);
    // Writing to a String cannot fail, so the results of `write!` are dropped here.
    let _ = write!(out, "HTTP/1.1 {status} {reason}\r\n");
    if !product.server.is_empty() {
        let _ = write!(out, "Server: {}\r\n", product.server);
    }
    let date = TimeZone::UTC.to_datetime(Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH));
    let _ = write!(
        out,
        "Date: {} {:02}:{:02}:{:02} GMT\r\n",
        date.date(),
        date.hour(),
        date.minute(),
        date.second()
    );
    out.push_str("Content-Type: ");
    out.push_str(if product.title.is_empty() { "application/json" } else { "text/html; charset=utf-8" });
    let _ = write!(out, "\r\nContent-Length: {}\r\n", draw.below(20_000));
    let _ = write!(out, "X-{}-Version: {version}\r\n", product.fingerprint);
    match host {
        Some(host) if status == 302 => drop(write!(out, "Location: https://{host}/login\r\n")),
        _ if status == 401 => drop(write!(out, "WWW-Authenticate: Basic realm=\"{}\"\r\n", product.name)),
        _ => {}
    }
    let _ = write!(out, "Set-Cookie: session={:016x}; Path=/; HttpOnly\r\n", draw.next_u64() ^ second as u64);
    out.push_str("Cache-Control: no-cache, private\r\nX-Content-Type-Options: nosniff\r\n");
    out.push_str("Content-Security-Policy: default-src 'self'; img-src 'self' data: ");
    for _ in 0..2 {
        let _ = write!(out, "https://cdn.{} ", names::domain(draw.zipf(2_000)));
    }
    out.push_str("; frame-ancestors 'none'\r\nX-Powered-By:");
    for _ in 0..6 {
        out.push(' ');
        names::push_word(&mut out, draw.zipf(20_000));
    }
    let _ = write!(out, "\r\nX-Backend: {:08x}\r\n", draw.next_u64() as u32);
    out.push_str("Strict-Transport-Security: max-age=31536000; includeSubDomains\r\nConnection: close\r\n");
    out
}

/// What a server that does not speak HTTP says first.
pub(super) fn greeting(product: &Product, version: &str, draw: &mut Draw) -> String {
    let mut out = String::with_capacity(300);
    let name = if product.name.is_empty() { "220 SSH-2.0 ready" } else { product.name };
    let _ = write!(out, "{name} {version}\nprotocol {}\ninstance", draw.below(12));
    for _ in 0..24 {
        out.push(' ');
        names::push_word(&mut out, draw.zipf(20_000));
    }
    out
}
