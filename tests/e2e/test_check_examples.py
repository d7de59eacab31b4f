"""The examples for other monitoring systems, as `make install` leaves them: read by the programs that they are for, where Debian has them, and asking for what is there."""

import datetime
import grp
import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest
import yaml

from check_daemon import CheckDaemon
from servers import packages
from servers.base import free_port
from servers.faulty import TinyDNS
from service import BUILD, DOMAIN

ROOT = Path(__file__).resolve().parents[2]
TO = f"acme@{DOMAIN}"
USER, GROUP = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name


def run(*words, code=0, **more):
    """Has to end with this exit code, or any where it is None; what it said."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, check=False, **more)
    assert code is None or done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """All of it below a prefix of our own, whose paths the examples name."""
    prefix = tmp_path_factory.mktemp("installed")
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "VARIANT")}
    run("make", "-C", ROOT, "--old-file=all", "install", f"BUILD={BUILD}", f"PREFIX={prefix}", f"SYSCONFDIR={prefix}/etc", env=environment)
    yield prefix
    shutil.rmtree(prefix)


@pytest.fixture
def examples(installed, tmp_path):
    """A copy that a test may fill in, whose programs are found."""
    shutil.copytree(installed / "share/mailtest/examples", tmp_path / "examples")
    return tmp_path / "examples"


def unpacked(package, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(package)
    packages.unpack(package, folder)
    return folder


def libraries(folder: Path) -> dict:
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(str(path) for path in folder.glob("usr/lib/*-linux-gnu*"))}


@pytest.fixture(scope="module")
def promtool(tmp_path_factory):
    folder = unpacked("prometheus", tmp_path_factory)
    shutil.rmtree(folder / "usr/share")                 # what browsers are shown
    yield folder / "usr/bin/promtool"
    shutil.rmtree(folder)


@pytest.fixture
def daemon(acme, tmp_path):
    """Checks that were well, one that fails, one that is disabled."""
    folder = tmp_path / "daemon"
    folder.mkdir()
    made = CheckDaemon(folder, acme, servers=[{"name": "ours", "host": "127.0.0.1", "port": acme.smtp_port}, {"name": "dead", "host": "127.0.0.1", "port": free_port()}],
                       checks=[{"name": "acme/inbound", "mailbox": "acme", "to": TO, "server": "ours", "interval": "2s"},
                               {"name": "acme/smtp", "kind": "smtp", "server": "ours", "interval": "1s"},
                               {"name": "acme/dead", "kind": "smtp", "server": "dead", "interval": "1s", "confirm_gap": "1s"},
                               {"name": "acme/off", "kind": "smtp", "server": "dead", "enabled": False}])
    made.start()
    for check in ("acme/inbound", "acme/smtp", "acme/dead"):
        made.wait_for_result(check)
    acme.wait_for(lambda: {"acme/inbound", "acme/smtp", "acme/dead"} <= {c["check"] for c in acme.ctl("check", "list", "--json")["checks"]}, "the service has results")
    yield made
    made.end()


def key_file(service, folder) -> Path:
    file = folder / "api.key"
    file.write_text(service.key + "\n")
    return file


# ---- Options of command lines ----------------------------------------------------------------------------------------------------------

def options_of(installed, words) -> str:
    """What a command of these words says that it knows."""
    return run(words[0], *words[1:2], "-h", code=None)


def check_options(installed, line):
    """A line of an example: the program is installed, and knows each option."""
    words = shlex.split(line)
    assert Path(words[0]).is_relative_to(installed) and os.access(words[0], os.X_OK), line
    known = options_of(installed, words)
    for word in words[2:]:
        if re.match(r"--?[a-z]", word):
            assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", known), f"{word} of: {line}\n{known}"


# ---- Nagios and Icinga -----------------------------------------------------------------------------------------------------------------

NAGIOS_BASE = """\
define timeperiod {
    timeperiod_name                 24x7
    alias                           always
    monday                          00:00-24:00
}
define command {
    command_name                    tell
    command_line                    /bin/true
}
define contact {
    contact_name                    operator
    host_notification_period        24x7
    service_notification_period     24x7
    host_notification_options       d,u,r
    service_notification_options    w,u,c,r
    host_notification_commands      tell
    service_notification_commands   tell
}
define contactgroup {
    contactgroup_name               admins
    alias                           Administrators
    members                         operator
}
"""


def test_nagios_takes_the_configuration(examples, tmp_path, tmp_path_factory):
    nagios = unpacked("nagios4-core", tmp_path_factory)
    (tmp_path / "spool").mkdir()
    (tmp_path / "base.cfg").write_text(NAGIOS_BASE)
    (tmp_path / "resource.cfg").write_text("$USER7$=http://127.0.0.1:8025\n$USER8$=/nonexistent\n")
    files = [tmp_path / "base.cfg", *sorted((examples / "nagios").iterdir())]
    (tmp_path / "nagios.cfg").write_text("".join(f"cfg_file={file}\n" for file in files) + f"resource_file={tmp_path}/resource.cfg\n" + "".join(
        f"{name}={tmp_path}/{file}\n" for name, file in (("log_file", "log"), ("object_cache_file", "objects"), ("status_file", "status"), ("temp_file", "temp"),
                                                         ("temp_path", ""), ("check_result_path", "spool"), ("state_retention_file", "retention"),
                                                         ("command_file", "command"), ("lock_file", "lock"))) +
        f"nagios_user={USER}\nnagios_group={GROUP}\n" "illegal_macro_output_chars=`~$&|'\"<>\nservice_check_timeout=300\n")
    said = run(nagios / "usr/sbin/nagios4", "-v", tmp_path / "nagios.cfg", env=libraries(nagios))
    assert re.search(r"Total Warnings: 0\s+Total Errors:   0", said) and "Checked 6 services" in said, said
    shutil.rmtree(nagios)


def nagios_commands(examples) -> dict:
    text = (examples / "nagios/mailtest-commands.cfg").read_text()
    return dict(re.findall(r"command_name\s+(\S+)\n\s+command_line\s+(.+)\n", text))


def test_the_commands_of_nagios_do_what_they_say(acme, daemon, installed, examples, tmp_path):
    """With the host, the service and the arguments filled in; only name servers and the MX's port are told beside."""
    (installed / "etc/mailtest/checks.yaml").write_text(daemon.file.read_text())
    mx = {("customer.test", "MX"): [(10, "mx.customer.test")], ("mx.customer.test", "A"): ["127.0.0.1"], (DOMAIN, "MX"): [(10, "mx.customer.test")]}
    with TinyDNS(mx) as dns:
        def command(name, *arguments, more=""):
            line = nagios_commands(examples)[name]
            words = {"$USER7$": acme.url, "$USER8$": str(key_file(acme, tmp_path)), "$HOSTADDRESS$": "127.0.0.1"} | {f"$ARG{i}$": a for i, a in enumerate(arguments, 1)}
            for macro, word in words.items():
                line = line.replace(macro, word)
            assert "$" not in line, line
            check_options(installed, line)
            done = subprocess.run(["/bin/sh", "-c", f"{line} {more}"], capture_output=True, text=True, timeout=60, check=False)
            return done.returncode, done.stdout

        code, said = command("check_mailtest_forwarded", "acme", TO, more=f"--dns {dns.address} --mx-port {acme.smtp_port}")
        assert code == 0 and said.startswith("MAILTEST OK - scenario 2: ") and "'total'=" in said, said
        code, said = command("check_mailtest_relayed", "acme", TO, f"127.0.0.1:{acme.smtp_port}")
        assert code == 0 and said.startswith("MAILTEST OK - scenario 5: "), said
        code, said = command("check_mailtest_smtp", str(acme.smtp_port), "2", "10")
        assert code == 0 and said.startswith("SMTP OK - ") and "'certificate_days'=" in said, said
        code, said = command("check_mailtest_blacklist", more=f"--dns {dns.address}")
        assert code == 3 and said.startswith("BLACKLIST UNKNOWN - "), said     # no list answers for its test point
    code, said = command("check_mailtest_check", "acme/smtp")
    assert code == 0 and said.startswith("MAILTEST OK - acme/smtp: "), said
    code, said = command("check_mailtest_result", "acme/inbound")
    assert code == 0 and said.startswith("MAILTEST OK - acme/inbound: arrived after ") and "'total'=" in said, said
    code, said = command("check_mailtest_result", "acme/dead")
    assert code == 2 and said.startswith("MAILTEST CRITICAL - acme/dead: "), said
    assert command("check_mailtest_result", "nobody") == (3, "MAILTEST UNKNOWN - nobody: there is no result of this check\n")


def test_icinga_takes_the_configuration(installed, examples, tmp_path, tmp_path_factory):
    icinga, common = unpacked("icinga2-bin", tmp_path_factory), unpacked("icinga2-common", tmp_path_factory)
    (tmp_path / "icinga2.conf").write_text(f'include <itl>\ninclude "{examples}/icinga2/mailtest.conf"\n')
    for folder in ("data", "cache", "log", "run", "conf"):
        (tmp_path / folder).mkdir()
    constants = {"DataDir": "data", "CacheDir": "cache", "LogDir": "log", "InitRunDir": "run", "ConfigDir": "conf", "ZonesDir": "zones", "PidPath": "pid",
                 "ModAttrPath": "modified", "StatePath": "state", "VarsPath": "vars", "ObjectsPath": "objects"}
    said = run(next(icinga.glob("usr/lib/*/icinga2/sbin/icinga2")), "daemon", "-C", "-c", tmp_path / "icinga2.conf", "-I", common / "usr/share/icinga2/include",
               "--no-stack-rlimit", *(f"-D{name}={tmp_path / path}" for name, path in constants.items()), "-DNodeName=here", f"-DRunAsUser={USER}", f"-DRunAsGroup={GROUP}",
               env=libraries(icinga))
    assert "Instantiated 6 Services" in said and "warning" not in said and "Finished validating" in said, said
    text = (examples / "icinga2/mailtest.conf").read_text()
    programs = dict(re.findall(r'const (\w+) = "([^"]+)"', text))
    commands = re.findall(r'object CheckCommand .*?command = \[ (\w+), "(\w+)" \](.*?)\n}\n', text, re.S)
    assert len(commands) == 5
    for program, word, body in commands:
        check_options(installed, " ".join([programs[program], word, *re.findall(r'^    "(-[^"]+)"', body, re.M)]))
    shutil.rmtree(icinga)


# ---- Checkmk ---------------------------------------------------------------------------------------------------------------------------

def test_mrpe_lines_name_what_there_is(installed, examples):
    lines = [line for line in (examples / "checkmk/mrpe.cfg").read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) == 5
    for line in lines:
        found = re.fullmatch(r"(\w+) \(interval=(\d+)\) (/.+)", line)
        assert found, line
        check_options(installed, found[3])
        window = re.search(r"--window (\d+)m", line)
        assert window is None or int(window[1]) * 60 < int(found[2])


LOCAL = re.compile(r'([0-3]) "(Mailtest [\w ./-]+)" (-|[a-z][\w]*=[\d.e+-]+(?:\|[a-z][\w]*=[\d.e+-]+)*) (.+)')


def local_services(text) -> dict:
    """Service → (state, figures, text); each line has Checkmk's form, and no service is told twice."""
    services = {}
    for line in text.splitlines():
        found = LOCAL.fullmatch(line)
        assert found and found[2] not in services, line
        services[found[2]] = int(found[1]), dict(f.split("=") for f in found[3].split("|")) if found[3] != "-" else {}, found[4]
    return services


def local_check(examples, service, daemon) -> Path:
    """The script, with what an operator edits."""
    script = examples / "checkmk/mailtest_checks"
    text = script.read_text()
    assert text.count("127.0.0.1:9725") == 1 and text.count("--config ") == 1
    script.write_text(re.sub(r"--config \S+", f"--config {service.config_file}", text).replace("127.0.0.1:9725", f"127.0.0.1:{daemon.port}"))
    return script


def test_the_local_check_makes_a_service_of_each_check(acme, daemon, examples, installed, tmp_path):
    script = local_check(examples, acme, daemon)
    told = local_services(run(script))
    assert {name: told[name][0] for name in told} == {"Mailtest checker": 0, "Mailtest results": 0, "Mailtest acme/inbound": 0, "Mailtest acme/smtp": 0, "Mailtest acme/dead": 2}
    assert float(told["Mailtest acme/inbound"][1]["mailtest_total"]) > 0 and told["Mailtest acme/inbound"][2].startswith("arrived after ")
    assert told["Mailtest checker"][1]["mailtest_checks"] == "4"
    # The other ways to the same results.
    program = installed / "share/mailtest/examples/mailtest-results"
    metrics = ["--metrics", f"http://127.0.0.1:{daemon.port}/metrics"]
    for source in (["--api", acme.url, "--key-file", key_file(acme, tmp_path)], ["--lines", daemon.scratch / "results"]):
        same = local_services(run(program, "checkmk", *source, *metrics))
        assert {name: same[name][0] for name in same} == {name: told[name][0] for name in told}
    # Neither the scheduler nor the service answers: that is what is told.
    daemon.stop()
    told = local_services(run(script))
    assert told["Mailtest checker"][0] == 2 and told["Mailtest acme/inbound"][0] == 0
    acme.stop()
    told = local_services(run(script))
    assert told["Mailtest results"][0] == 3 and len(told) == 2


def posted(check, state="OK", ago_s=60, **more):
    at = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=ago_s)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"id": f"{check}-{ago_s}", "check": check, "kind": "round-trip", "scenario": 2, "mailbox": None, "started_at": at, "took_s": 1.5, "state": state,
            "verdict": "arrived" if state == "OK" else "not-sent", "cause": None, "step": None, "host": None, "code": None, "reply": None,
            "reason": "arrived after 1.2 s", "deferred": False, "times": {"total": 1.2}, "changes": [], "document": {}} | more


def test_results_that_are_old_odd_or_many_are_told_right(acme, examples, installed, tmp_path):
    acme.add_mailbox("other")
    results = [posted("old", ago_s=100000), posted("recent", ago_s=80000), posted("twice", mailbox="acme"), posted("twice", "WARNING", mailbox="other"),
               posted("says/odd-things", "CRITICAL", reason='a|b "c"\n0 "Mailtest fine" - d\x1b[2J', step="rcpt"),
               *(posted(f"many/{i}") for i in range(600))]
    for part in (results[:300], results[300:600], results[600:]):
        assert acme.http("POST", "/v1/results", body={"results": part}).json()["stored"] == len(part)
    program = installed / "share/mailtest/examples/mailtest-results"
    source = ["--api", acme.url, "--key-file", key_file(acme, tmp_path)]
    told = local_services(run(program, "checkmk", *source))
    assert len(told) == len(results) + 1
    assert told["Mailtest old"][0] == 3 and "no result for" in told["Mailtest old"][2] and told["Mailtest recent"][0] == 0
    assert (told["Mailtest twice of acme"][0], told["Mailtest twice of other"][0]) == (0, 1)
    assert told["Mailtest says/odd-things"][0] == 2 and told["Mailtest says/odd-things"][2].startswith('a/b "c"')
    assert len(local_services(run(program, "checkmk", *source, "--mailbox", "other"))) == 2
    # A result that is amended has a later line; a line that is not written to its end is none.
    lines = tmp_path / "lines"
    late = posted("late", "CRITICAL")
    lines.write_text("\n".join(map(json.dumps, [late, posted("late", ago_s=300), late | {"verdict": "late", "reason": "it came late"}])) + '\n{"check": "la')
    assert local_services(run(program, "checkmk", "--lines", lines))["Mailtest late"][2] == "it came late"
    lines.write_text("")
    assert local_services(run(program, "checkmk", "--lines", lines)) == {"Mailtest results": (0, {}, "of 0 checks")}


# ---- Zabbix ----------------------------------------------------------------------------------------------------------------------------

def template(examples) -> dict:
    [one] = yaml.safe_load((examples / "zabbix/template_mailtest.yaml").read_text())["zabbix_export"]["templates"]
    return one


def values_of(node, name):
    """All values of a key, at whatever depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from ([value] if key == name else [])
            yield from values_of(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from values_of(value, name)


def test_the_template_of_zabbix_is_whole(examples):
    export = yaml.safe_load((examples / "zabbix/template_mailtest.yaml").read_text())["zabbix_export"]
    one = template(examples)
    assert export["version"] == "6.0" and [g["name"] for g in one["groups"]] == [g["name"] for g in export["groups"]]
    ids = list(values_of(export, "uuid"))
    assert len(set(ids)) == len(ids) and all(re.fullmatch("[0-9a-f]{32}", i) and uuid.UUID(i).version == 4 for i in ids)
    [rule] = one["discovery_rules"]
    items, prototypes = one["items"], rule["item_prototypes"]
    keys = [item["key"] for item in items + prototypes]
    assert len(set(keys)) == len(keys) and all("{#CHECK}" in p["key"] for p in prototypes)
    master = [item for item in items if item.get("type") != "DEPENDENT"]
    assert [item["key"] for item in master] == ["mailtest.results"] == sorted({i["master_item"]["key"] for i in [*items[1:], *prototypes, rule]})
    assert {name["name"] for name in values_of(items + prototypes, "valuemap")} <= {v["name"] for v in one["valuemaps"]}
    for expression in values_of(export, "expression"):
        asked = re.findall(rf"/{re.escape(one['template'])}/(mailtest[\w.]*(?:\[{{#CHECK}}\])?)", expression)
        assert asked and set(asked) <= set(keys), expression
        assert set(re.findall(r"{\$[A-Z.]+", expression)) <= {m["macro"].rstrip("}") for m in one["macros"]}, expression
    graphs = list(values_of(rule["graph_prototypes"], "item"))
    assert graphs and all(item["host"] == one["template"] and item["key"] in keys for item in graphs)


def at_path(document, path):
    """What a JSONPath of the template stands for; KeyError: there is none."""
    found = document
    for quoted, plain in re.findall(r"\['([^']+)'\]|\.(\w+)", path):
        found = found[quoted or plain]
    return found


def test_the_agent_of_zabbix_hands_over_what_the_template_takes(acme, daemon, examples, tmp_path, tmp_path_factory):
    agent = unpacked("zabbix-agent2", tmp_path_factory)
    parameters = (examples / "zabbix/mailtest.conf").read_text()
    for written, ours in (("https://mailtest.internal.example.net:8025", acme.url), ("/etc/zabbix/mailtest.key", str(key_file(acme, tmp_path))),
                          ("127.0.0.1:9725", f"127.0.0.1:{daemon.port}")):
        assert parameters.count(written) >= 1
        parameters = parameters.replace(written, ours)
    (tmp_path / "mailtest.conf").write_text(parameters)
    (tmp_path / "agent.conf").write_text(f"LogType=console\nServer=127.0.0.1\nHostname=here\nTimeout=30\nControlSocket={tmp_path}/socket\nPidFile={tmp_path}/pid\n"
                                         f"Include={tmp_path}/mailtest.conf\n")

    def value(key):
        said = run(agent / "usr/sbin/zabbix_agent2", "-c", tmp_path / "agent.conf", "-t", key, env=libraries(agent))
        return json.loads(re.search(r"\[s\|(.*)\]\s*$", said, re.S)[1])

    document = value("mailtest.results")
    one = template(examples)
    [rule] = one["discovery_rules"]
    found = at_path(document, rule["preprocessing"][0]["parameters"][0])
    assert [row["{#CHECK}"] for row in found] == ["acme/dead", "acme/inbound", "acme/smtp"] and found[1]["{#MAILBOX}"] == "acme"
    for item in one["items"][1:]:
        assert at_path(document, item["preprocessing"][0]["parameters"][0]) is not None
    told = {p["key"].split(".")[2].split("[")[0]: at_path(document, p["preprocessing"][0]["parameters"][0].replace("{#CHECK}", "acme/inbound"))
            for p in rule["item_prototypes"]}
    assert told["state"] == 0 and 0 < told["total"] < 60 and time.time() - 60 < told["success"] <= time.time() and told["verdict"] == "arrived"
    assert document["checks"]["acme/dead"]["state"] == 2 and document["checks"]["acme/dead"]["step"] == "connect"
    with pytest.raises(KeyError):
        at_path(document, "$.checks['acme/dead'].last_success")
    assert document["error"] == "" and document["checker"]["up"] == 1
    # Its key is at fault, the scheduler is gone: told, and still a document.
    probe = value(f"mailtest.smtp[127.0.0.1:{acme.smtp_port}]")
    assert probe["state"] == "OK" and value(f"mailtest.smtp[127.0.0.1:{free_port()}]")["state"] == "CRITICAL"
    daemon.stop()
    key_file(acme, tmp_path).write_text("wrong\n")
    document = value("mailtest.results")
    assert "401" in document["error"] and document["checker"] == {"up": 0} and document["list"] == []
    shutil.rmtree(agent)


# ---- Prometheus and Grafana ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def families(acme, daemon):
    """Name → labels of every metric of a scheduler and a service that run; None: nothing of it has been counted yet."""
    known = {}
    for text in (daemon.http("/metrics")[1], acme.http("GET", "/metrics").body.decode()):
        for name, kind in re.findall(r"^# TYPE (\S+) (\w+)$", text, re.M):
            for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
                known[name + suffix] = None
        for name, labels in re.findall(r"^(mailtest_\w+)(?:\{(.*)\})? \S+$", text, re.M):
            known[name] = (known[name] or set()) | set(re.findall(r'(\w+)="', labels))
    return known


def check_names(expression, families, recorded=()):
    """Every metric is told by a program, and has each label that is asked of it."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    asked = re.findall(r"\b((?:\w+:)?mailtest_\w+(?::\w+)?)(?:\{([^}]*)\})?", bare)
    there = {"job", "instance"}
    for name, matchers in asked:
        if name in recorded:
            continue
        assert name in families, f"{name} in {expression}"
        labels = families[name]
        for label in re.findall(r"(\w+)\s*[=!]~?", matchers):
            assert labels is None or label in labels | {"job", "instance"}, f"{name} has no label {label}: {expression}"
        there |= labels or set()
    for label in re.findall(r"\w+", " ".join(re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", bare))):
        assert label in there, f"no metric has a label {label}: {expression}"
    assert asked or "up{" in bare, expression


def rules_of(examples) -> list[dict]:
    return [rule for group in yaml.safe_load((examples / "prometheus/mailtest.rules.yml").read_text())["groups"] for rule in group["rules"]]


def test_prometheus_takes_rules_and_configuration(examples, promtool, families):
    run(promtool, "check", "config", examples / "prometheus/prometheus.yml")
    said = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", examples / "prometheus/mailtest.rules.yml")
    rules = rules_of(examples)
    assert f"SUCCESS: {len(rules)} rules found" in said
    for rule in rules:
        check_names(rule["expr"], families, {r["record"] for r in rules if "record" in r})
        for label in re.findall(r"\$labels\.(\w+)", json.dumps(rule.get("annotations", {}))):
            assert label in {"job", "instance"} | {one for name in re.findall(r"mailtest_\w+", rule["expr"]) for one in families[name] or ()}, rule


CHECK = 'job="mailtest-check", instance="c"'
SERVICE = 'job="mailtest", instance="s"'
STORE = f'role="store", index="0", {SERVICE}'

# What is seen each minute, and from which minute on which alerts fire. "_": not seen.
STORIES = [
    ("a check fails, then works", {f'mailtest_check_state{{check="a", {CHECK}}}': "0x9 2x19 0x20"},
     {14: [], 16: ["MailtestCheckFailing"], 35: []}),
    ("one bad run that is not confirmed", {f'mailtest_check_state{{check="a", {CHECK}}}': "0x9 2x2 0x20"}, {12: [], 16: [], 25: []}),
    ("a check warns", {f'mailtest_check_state{{check="a", {CHECK}}}': "1x60"}, {29: [], 31: ["MailtestCheckWarning"]}),
    ("nothing is known", {f'mailtest_check_state{{check="a", {CHECK}}}': "3x60"}, {14: [], 16: ["MailtestCheckUnknown"]}),
    ("no success for three intervals", {f'mailtest_check_last_success_timestamp_seconds{{check="a", {CHECK}}}': "0x60",
                                        f'mailtest_check_interval_seconds{{check="a", {CHECK}}}': "300x60"}, {15: [], 24: [], 27: ["MailtestCheckNoSuccess"]}),
    ("a disabled check", {f'mailtest_check_last_success_timestamp_seconds{{check="a", {CHECK}}}': "0x60"}, {50: []}),
    ("the scheduler is down", {f'up{{{CHECK}}}': "1x9 0x20"}, {9: [], 13: ["MailtestCheckerDown"]}),
    ("results wait, and ever more of them", {f'mailtest_check_results_waiting{{{CHECK}}}': "0+50x60"}, {10: [], 30: ["MailtestResultsQueueGrows"]}),
    ("results wait, and are fewer each minute", {f'mailtest_check_results_waiting{{{CHECK}}}': "6000-50x60"}, {30: [], 50: []}),
    ("alerts wait", {f'mailtest_check_alerts_waiting{{{CHECK}}}': "0x9 3x60"}, {20: [], 32: ["MailtestAlertsWait"]}),
    ("an alert is dead", {f'mailtest_check_alerts_dead{{{CHECK}}}': "4x9 5x60"}, {5: [], 15: ["MailtestAlertsDead"]}),
    ("no stream", {f'mailtest_check_stream_connected{{{CHECK}}}': "1x9 0x60"}, {12: [], 16: ["MailtestStreamDown"]}),
    ("the receiver was down", {f'mailtest_verdicts_receiver_down_total{{{STORE}}}': "0x9 2x60"},
     {5: [], 12: ["MailtestReceiverDown"], 40: []}),
    ("many checks fail", {f'mailtest_check_failing{{{CHECK}}}': "2x9 5x60", f'mailtest_check_checks{{{CHECK}}}': "20x70"},
     {14: [], 16: ["MailtestManyChecksFailing"]}),
    ("nothing is started", {f'mailtest_check_started_total{{{CHECK}}}': "0+1x9 10x90", f'mailtest_check_checks{{{CHECK}}}': "3x90",
                            f'mailtest_check_interval_seconds{{check="a", {CHECK}}}': "300x90"}, {60: [], 82: ["MailtestCheckerStandsStill"]}),
    ("runs wait", {f'mailtest_check_longest_wait_seconds{{{CHECK}}}': "400x60"}, {14: [], 16: ["MailtestCheckerBehind"]}),
    ("results are refused", {f'mailtest_check_results_refused_total{{{CHECK}}}': "0x9 1x60"}, {9: [], 11: ["MailtestResultsLost"], 40: []}),
    ("the state is not written", {f'mailtest_check_state_commit_failures_total{{{CHECK}}}': "0x9 1x60"}, {9: [], 11: ["MailtestStateNotWritten"]}),
    ("a reload is refused", {f'mailtest_check_reload_failures_total{{{CHECK}}}': "0x9 1x60"}, {9: [], 11: ["MailtestReloadRefused"]}),
    ("roles die", {f'mailtest_role_restarts_total{{role="supervisor", index="0", {SERVICE}}}': "0x9 4x60"}, {9: [], 12: ["MailtestRoleRestarts"]}),
    ("the disk is full", {f'mailtest_store_full_total{{{STORE}}}': "0x9 4x60", f'mailtest_store_commit_failures_total{{{STORE}}}': "0x70"},
     {9: [], 11: ["MailtestStoreFailing"]}),
    ("the store fills up", {f'mailtest_store_used_bytes{{{STORE}}}': "90x60", f'mailtest_store_map_bytes{{{STORE}}}': "100x60"},
     {9: [], 11: ["MailtestStoreAlmostFull"]}),
    ("the service is down", {f'up{{{SERVICE}}}': "1x9 0x20"}, {9: [], 13: ["MailtestServiceDown"]}),
    ("a certificate ends", {f'mailtest_certificate_expiry_seconds{{certificate="0", name="mx", {SERVICE}}}': "1000000x90"},
     {30: [], 62: ["MailtestCertificateExpires"]}),
    ("a certificate lasts", {f'mailtest_certificate_expiry_seconds{{certificate="0", name="mx", {SERVICE}}}': "9000000x90"}, {62: []}),
]


def promtool_values(text):
    """"0x9 2x19": ten times 0, twenty times 2; "0+50x60" as promtool has it."""
    return " ".join(re.sub(r"^([\d.]+)x(\d+)$", r"\1+0x\2", word) for word in text.split())


def test_alerts_fire_when_they_should_and_only_then(examples, promtool, tmp_path):
    tests = []
    names = [rule["alert"] for rule in rules_of(examples) if "alert" in rule]
    for story, series, expected in STORIES:
        up = {f"up{{{one}}}": "1x90" for one in (CHECK, SERVICE)}
        series = {name: value for name, value in up.items() if name not in series} | series
        tests.append({"name": story, "interval": "1m", "input_series": [{"series": name, "values": promtool_values(value)} for name, value in series.items()],
                      # The names of what fires are counted, so that labels and texts need not be said again.
                      "promql_expr_test": [{"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": f"{minute}m",
                                            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in firing]}
                                           for minute, firing in expected.items()]})
    assert set(names) == {name for _, _, expected in STORIES for firing in expected.values() for name in firing}     # each is told of
    (tmp_path / "test.yml").write_text(json.dumps({"rule_files": [str(examples / "prometheus/mailtest.rules.yml")], "evaluation_interval": "1m", "tests": tests}))
    assert "SUCCESS" in run(promtool, "test", "rules", tmp_path / "test.yml")


def panels_of(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_the_dashboard_asks_for_what_there_is(examples, promtool, families, tmp_path):
    dashboard = json.loads((examples / "grafana/dashboard.json").read_text())
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    asked = []
    for panel in panels_of(dashboard):
        assert panel["targets"] and panel["title"] and all(t["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for t in panel["targets"])
        assert len({t["refId"] for t in panel["targets"]}) == len(panel["targets"])
        asked += [target["expr"] for target in panel["targets"]]
    for variable in variables.values():
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
            asked.append(f"count by ({label}) ({selector})")
    used = set(re.findall(r"\$(\w+)", " ".join(asked)))
    assert used <= set(variables) | {"__rate_interval", "__range"} and set(variables) <= used | {"datasource"}
    for expression in asked:
        check_names(expression, families)
    filled = [re.sub(r"\$__\w+", "5m", one) for one in asked]
    (tmp_path / "expressions.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": [{"record": f"panel:{i}", "expr": one} for i, one in enumerate(filled)]}]}))
    assert f"SUCCESS: {len(filled)} rules found" in run(promtool, "check", "rules", tmp_path / "expressions.yml")


def test_the_dashboard_has_the_form_that_grafana_takes(examples):
    """Grafana is in no Debian package: what its import and its provisioning look at is looked at here."""
    dashboard = json.loads((examples / "grafana/dashboard.json").read_text())
    assert dashboard["id"] is None and re.fullmatch(r"[\w-]{1,40}", dashboard["uid"]) and dashboard["title"] and dashboard["schemaVersion"] == 37
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] in ("row", "stat", "timeseries", "state-timeline", "table"), panel["type"]
    # No data source of anybody's is in it.
    assert {one["uid"] for one in values_of(dashboard, "datasource")} == {"${datasource}"}
