"""The official library against a running server. Arguments: address, key of an operator, address that is known."""

import sys

import shodan

URL, KEY, KNOWN = sys.argv[1:4]
api = shodan.Shodan(KEY)
api.base_url = URL
api.base_trends_url = URL
api.base_exploits_url = URL
# One request a second is for the public service.
api.api_rate_limit = 0


def refused(text, call, *args, **kwargs):
    try:
        answer = call(*args, **kwargs)
    except shodan.APIError as error:
        assert text in str(error), "expected `{}`, got `{}`".format(text, error)
    else:
        raise AssertionError("{} was answered: {!r:.200}".format(call, answer))


# The assertions of the library's own tests, as far as they are about behaviour.
results = api.search("port:8000-9000")
assert results["total"] >= 0 and "facets" not in results and "error" not in results
assert all("opts" not in banner for banner in results["matches"])
assert all("opts" in banner for banner in api.search("*", minify=False)["matches"])
results = api.search("*", facets=["country", ("port", 3)])
assert list(results["facets"]) == ["country", "port"] and len(results["facets"]["port"]) <= 3
assert all(isinstance(bucket["value"], int) and isinstance(bucket["count"], int) for bucket in results["facets"]["port"])
counted = api.count("*", facets=[("product", 2)])
assert counted["matches"] == [] and counted["total"] == results["total"]
assert api.search("this_word_is_nowhere")["matches"] == [] and api.search("this_word_is_nowhere")["total"] == 0
refused("empty", api.search, "")
refused("did you mean `country`", api.search, "contry:DE")
refused("`page`", api.search, "*", page=0)
refused("unknown facet", api.count, "*", facets=["nosuch"])

wrong = shodan.Shodan("nl_aaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
wrong.base_url = URL
refused("Invalid API key", wrong.info)

# Pages and cursors: no record twice, none left out.
total = api.count("*")["total"]
seen = [banner["_shodan"]["id"] for banner in api.search_cursor("*")]
assert len(seen) == len(set(seen)) == total, (len(seen), len(set(seen)), total)
some = api.search("*", limit=7, offset=3)["matches"]
assert [banner["_shodan"]["id"] for banner in some] == seen[3:10]
picked = api.search("*", limit=1, fields=["ip_str", "location.country_code"])["matches"][0]
assert set(picked) == {"ip_str", "location"} and set(picked["location"]) == {"country_code"}, picked
assert api.search("*", page=10000)["matches"] == []

host = api.host(KNOWN)
assert host["ip_str"] == KNOWN and host["ports"] and len(host["data"]) == len(host["ports"])
for name in ["city", "country_code", "asn", "isp", "org", "os", "hostnames", "domains", "tags", "last_update"]:
    assert name in host, name
assert isinstance(api.host([KNOWN, "192.0.2.251"]), list)
assert api.host(KNOWN, minify=True)["data"] == []
assert len(api.host(KNOWN, history=True)["data"]) >= len(host["data"])
refused("No information available for that IP.", api.host, "192.0.2.251")
refused("Invalid IP", api.host, "example")

info = api.info()
for name in ["scan_credits", "query_credits", "unlocked_left", "monitored_ips", "plan", "usage_limits", "https", "telnet"]:
    assert name in info, name
assert 6443 in api.ports() and "https" in api.protocols() and "6443" in api.services()
assert "country" in api.search_facets() and "net" in api.search_filters()
tokens = api.search_tokens("Raspbian port:22")
assert tokens == {"attributes": {"ports": [22]}, "errors": [], "string": "Raspbian", "filters": ["port"]}, tokens
assert api.tools.myip() == "127.0.0.1"
assert api.queries()["total"] >= 10 and api.queries_search("etcd")["matches"] and api.queries_tags(size=3)["matches"]
refused("/api/v1/keys", api.org.info)
refused("export", api.data.list_datasets)
refused("honeypot", api.labs.honeyscore, KNOWN)
refused("exploits", api.exploits.search, "x")

trends = api.trends.search("*", facets=[("port", 2)])
assert trends["total"] == sum(month["count"] for month in trends["matches"]) > 0
assert trends["facets"]["port"][0]["key"] == trends["matches"][0]["month"]
assert api.trends.search_facets() and api.trends.search_filters()

# Alerts and notifiers.
for alert in api.alerts():
    api.delete_alert(alert["id"])
alert = api.create_alert("watch", "192.0.2.0/24")
assert alert["filters"]["ip"] == ["192.0.2.0/24"] and alert["size"] == 256 and len(alert["id"]) == 16
everything = ",".join(trigger["name"] for trigger in api.alert_triggers())
assert api.enable_alert_trigger(alert["id"], everything)["success"]
assert api.ignore_alert_trigger_notification(alert["id"], "new_service", "192.0.2.1", 443)["success"]
assert api.ignore_alert_trigger_notification(alert["id"], "vulnerable", "192.0.2.1", 443, ["CVE-2018-1"])["success"]
assert api.unignore_alert_trigger_notification(alert["id"], "new_service", "192.0.2.1", 443)["success"]
assert api.disable_alert_trigger(alert["id"], "iot,malware")["success"]
refused("did you mean `new_service`", api.enable_alert_trigger, alert["id"], "new_servce")
edited = api.edit_alert(alert["id"], ["198.51.100.1", "2001:db8::/126"])
assert edited["size"] == 5 and edited["has_triggers"]
assert "pagerduty" in api.notifier.list_providers()
made = api.notifier.create("pagerduty", {"routing_key": "abc123"}, description="on call")
assert made["success"]
shown = api.notifier.get(made["id"])
assert shown["provider"] == "pagerduty" and "abc123" not in str(shown) and KEY not in str(shown)
assert api.notifier.edit(made["id"], {"routing_key": "xyz789"})["success"]
assert api.notifier.list_notifiers()["total"] == 1
assert api.add_alert_notifier(alert["id"], made["id"])["success"]
assert api.alerts(aid=alert["id"])["notifiers"][0]["id"] == made["id"]
assert api.remove_alert_notifier(alert["id"], made["id"])["success"]
assert api.notifier.remove(made["id"])["success"]
assert [one["id"] for one in api.alerts(include_expired=False)] == [alert["id"]]
assert api.delete_alert(alert["id"]) == {}
refused("no alert", api.alerts, aid=alert["id"])
print("the library is content")
