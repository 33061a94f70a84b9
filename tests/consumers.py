#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Gives what is exported and published, as the golden files have it, to the parsers of those who read it: Nova's own, promtool,
and for those that Debian 12 has no parser of (CDI, KubeVirt, Proxmox, Incus) what their documents and sources say. Debian's
python3-nova, prometheus, python3-jsonschema and python3-yaml."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

TOP = pathlib.Path(__file__).resolve().parents[1]
GOLDEN = TOP / "tests/golden"
ADDRESS = re.compile(r"host=([0-9a-f:.]+),")


def sections(path):
    """The texts of a golden file by the name after `--- `, without notes."""
    found = {}
    for part in re.split(r"^--- ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
        name, _, text = part.partition("\n")
        found[name] = "".join(line + "\n" for line in text.splitlines() if not line.startswith("note: "))
    return found


def expect(condition, sentence):
    if not condition:
        sys.exit(sentence)


def check_cdi(text):
    spec = json.loads(text)
    jsonschema.validate(spec, json.loads((TOP / "tests/cdi.schema.json").read_text(encoding="utf-8")))
    names = [device["name"] for device in spec["devices"]]
    expect(len(names) == len(set(names)), f"CDI refuses a name that is there twice: {names}")


def check_nova(text, functions):
    """`functions` are the addresses of all that the group has."""
    import nova.conf
    from nova.pci import whitelist
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        nova.conf.CONF([], project="nova", default_config_files=[file.name])
        lines = nova.conf.CONF.pci.device_spec
    expect(len(lines) == len(functions), f"Nova reads {len(lines)} lines for {len(functions)} functions")
    wanted = whitelist.Whitelist(lines)
    for line in lines:
        spec = json.loads(line)
        device = {"address": spec["address"], "vendor_id": spec["vendor_id"], "product_id": spec["product_id"]}
        classes = [found.get_tags()["resource_class"] for found in wanted.specs if found.match(device)]
        expect(classes == [spec["resource_class"]], f"Nova does not find the device of {line}, but {classes}")
        expect(re.fullmatch(r"CUSTOM_[A-Z0-9_]+", spec["resource_class"]), f"no resource class of Placement: {line}")
    expect({json.loads(line)["address"] for line in lines} == functions, f"not {functions}: {lines}")


def check_kubevirt(text):
    for entry in yaml.safe_load(text)["permittedHostDevices"]["pciHostDevices"]:
        expect(set(entry) == {"pciVendorSelector", "resourceName", "externalResourceProvider"}, f"KubeVirt: {entry}")
        expect(re.fullmatch(r"[0-9A-F]{4}:[0-9A-F]{4}", entry["pciVendorSelector"]), f"KubeVirt's selector: {entry}")
        expect(re.fullmatch(r"[a-z0-9.]+/[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", entry["resourceName"]),
               f"Kubernetes takes no such resource: {entry}")


def check_proxmox(text):
    """As PVE::Mapping::PCI and PVE::SectionConfig read it."""
    pci = r"[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}(?:\.[a-f0-9])?"
    ident = "[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}"
    maps = re.findall(rf"^([A-Za-z][A-Za-z0-9_-]+)\n\tmap node=[a-z0-9-]+,path={pci},id={ident},subsystem-id={ident},"
                      r"iommugroup=\d+\n$", text, re.M)
    used = re.findall(r"^hostpci\d+: mapping=(\S+),pcie=1,driver=keep$", text, re.M)
    expect(maps and maps == used, f"Proxmox: mappings {maps}, used {used}")


def check_incus(text, functions):
    """As the tool takes its words (`incus config device add INSTANCE NAME TYPE key=value`) and IsPCIAddress() of its
    shared/validate an address."""
    pci = r"(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]"
    devices = re.findall(rf"^incus config device add VM ([A-Za-z0-9_.-]{{1,64}}) pci address=({pci})$", text, re.M)
    expect(len(devices) == len(text.splitlines()), f"Incus takes no such command: {text}")
    expect(len({name for name, _ in devices}) == len(devices), f"Incus refuses a device that is there twice: {text}")
    expect({address for _, address in devices} == functions, f"not {functions}: {text}")


def check_metrics(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    expect(done.returncode == 0 and not done.stdout + done.stderr, f"promtool: {done}")


def main():
    exports = sorted((GOLDEN / "export").glob("*.txt"))
    expect(exports, "there are no golden exports")
    for path in exports:
        texts = sections(path)
        check_cdi(texts["cdi"])
        functions = set(ADDRESS.findall(texts["qemu"]))
        check_nova(texts["nova"], functions)
        check_incus(texts["incus"], functions)
        check_kubevirt(texts["kubevirt"])
        check_proxmox(texts["proxmox"])
    for path in sorted((GOLDEN / "export/iommufd").glob("*.txt")):
        check_cdi(sections(path)["cdi"])
    published = sections(GOLDEN / "publish/machine.txt")
    check_cdi(published["/run/cdi/vfio-bind.json"])
    check_metrics(published["/run/vfio-bind/metrics.prom"])
    check_metrics((GOLDEN / "publish/nothing.prom").read_text(encoding="utf-8"))
    print(f"{len(exports)} exports and what is published are read")


if __name__ == "__main__":
    main()
