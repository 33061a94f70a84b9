# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job: a whole group goes to vfio-pci and comes back, and nothing else moves."""

import json

import boots
from boots import AUDIO, BRIDGE, GPU, NIC_A, NIC_B, NVME, TWIN_A, TWIN_B
from guest import CONFIG, DEVICE, GROUP, MANAGER, ROOT, UNIT, Failed, device_path, expect, sysfs
from scenarios import scenario

GPU_RULE = f'[[bind]]\nname = "guest-gpu"\ndevices = ["{GPU}"]\n'
BOUND = {GPU: "vfio-pci", AUDIO: "vfio-pci"}


@scenario("install-binds-nothing", fresh=True)
def install_binds_nothing(guest):
    expect(guest.out(f"systemctl is-active {UNIT} || true") == "active", "the package does not start its service")
    expect(guest.out(f"systemctl is-enabled {UNIT} || true") == "enabled", "the package does not enable its service")
    guest.expect_drivers({}, guest.pristine)
    expect(guest.get(ROOT, MANAGER, "Iommu") == "intel", f"Iommu is {guest.get(ROOT, MANAGER, 'Iommu')}, not intel")
    expect(guest.state(GPU) == "native", f"the group of {GPU} is '{guest.state(GPU)}' without any rule")


# case 1, 44
@scenario("boot-binds-whole-group", seconds=240)
def boot_binds_whole_group(guest):
    """The config names the display function only; its audio function is in the same group."""
    guest.put(CONFIG, GPU_RULE)
    guest.machine.reboot()
    expect(guest.out(f"systemctl is-active {UNIT} || true") == "active", "the service is not active after boot")
    guest.expect_drivers(BOUND, guest.pristine)
    number = guest.group(GPU)
    guest.run(f"test -c /dev/vfio/{number}")
    path = guest.group_path(GPU)
    expect(guest.state(GPU) == "bound", f"the group's state is '{guest.state(GPU)}'")
    expect(guest.get(path, GROUP, "Node") == f"/dev/vfio/{number}", "the group's Node is not its device node")
    expect(guest.get(path, GROUP, "Rule") == "guest-gpu", "the group does not name the rule that wants it")
    expect(guest.get(path, GROUP, "Viable") is True, "a bound group says it is not viable")
    members = guest.get(path, GROUP, "Devices")
    expect(sorted(members) == [device_path(GPU), device_path(AUDIO)], f"the group's Devices are {members}")
    expect(guest.viable(GPU) == "viable", "VFIO itself says that the group is not viable")


# case 1, 2
@scenario("bind-and-release-by-busctl")
def bind_and_release(guest):
    before = guest.drivers()
    guest.done("Bind", GPU)
    guest.expect_drivers(BOUND, before)
    expect(guest.state(GPU) == "bound", f"after Bind the group is '{guest.state(GPU)}'")
    expect(guest.get(device_path(AUDIO), DEVICE, "Driver") == "vfio-pci", "the audio object shows another driver")
    expect(guest.get(device_path(GPU), DEVICE, "DriverOverride") == "vfio-pci", "DriverOverride is not shown")
    guest.done("Release", AUDIO)
    guest.expect_drivers({}, before)
    expect(guest.state(GPU) == "native", f"after Release the group is '{guest.state(GPU)}'")
    for address in (GPU, AUDIO):
        expect(guest.override(address) == "", f"Release left driver_override of {address} set")


@scenario("bind-through-the-group-object")
def bind_group_object(guest):
    path = guest.group_path(TWIN_A)
    mark = guest.signals().mark()
    job = guest.call(path, GROUP, "Bind", "a{sv}", 0)[0]
    expect(job != "/", "Bind of a native group gave no job")
    guest.wait_signal(mark, lambda m: m["member"] == "JobRemoved" and m["payload"]["data"][1:] == [job, path, "done"],
                      40, f"JobRemoved of {job}, done")
    expect(guest.driver(TWIN_A) == "vfio-pci", f"{TWIN_A} has driver {guest.driver(TWIN_A)}")
    expect(guest.call(path, GROUP, "Bind", "a{sv}", 0)[0] == "/", "Bind of a bound group gave a job")


@scenario("properties-changed-is-emitted")
def properties_changed(guest):
    path = guest.group_path(TWIN_A)
    mark = guest.signals().mark()
    guest.done("Bind", TWIN_A)

    def told(message):
        data = message["payload"]["data"]
        return (message["member"] == "PropertiesChanged" and message["path"] == path and data[0] == GROUP
                and data[1].get("State", {}).get("data") == "bound")
    guest.wait_signal(mark, told, 10, "PropertiesChanged with State 'bound'")


# case 16, 39
@scenario("second-bind-writes-nothing")
def second_bind(guest):
    guest.done("Bind", GPU)
    with guest.no_kernel_writes("a second Bind of a bound group"):
        results = guest.job("Bind", GPU)
        expect(results == {}, f"a second Bind gave jobs: {results}")


@scenario("check-touches-nothing")
def check_touches_nothing(guest):
    before = guest.drivers()
    with guest.no_kernel_writes("Check"):
        possible, blockers, steps = guest.call(ROOT, MANAGER, "Check", "sa{sv}", GPU, 0)
    expect(possible, f"Check says that {GPU} cannot be bound: {blockers}")
    for address in (GPU, AUDIO):
        expect(any(address in step for step in steps), f"no step of Check names {address}: {steps}")
    guest.expect_drivers({}, before)


# case 2
@scenario("conventional-bridge-group")
def conventional_bridge(guest):
    """Two NICs behind a PCIe-to-PCI bridge are one group with it: both NICs are taken, the bridge is not."""
    before = guest.drivers()
    guest.configure(f'[[bind]]\nname = "nics"\ndevices = ["{NIC_A}"]\n')
    guest.wait_state(NIC_A, "bound")
    guest.expect_drivers({NIC_A: "vfio-pci", NIC_B: "vfio-pci"}, before)
    expect(guest.override(BRIDGE) == "", "the bridge's driver_override was written")
    expect(guest.viable(NIC_A) == "viable", "VFIO says that the group is not viable")


# case 59
@scenario("twin-stays-native")
def twin_override(guest):
    twin(guest, "override")


# case 59
@scenario("twin-stays-native-new-id")
def twin_new_id(guest):
    twin(guest, "new-id")
    # An id that is left behind would take the twin the next time that it is free.
    before = guest.drivers()
    guest.run(f"echo {TWIN_B} > {sysfs(TWIN_B, 'driver/unbind')}; echo {TWIN_B} > /sys/bus/pci/drivers_probe", 20)
    guest.expect_drivers({}, before)


def twin(guest, method):
    before = guest.drivers()
    guest.configure(f'[[bind]]\nname = "one"\ndevices = ["{TWIN_A}"]\nmethod = "{method}"\n')
    guest.wait_state(TWIN_A, "bound")
    guest.expect_drivers({TWIN_A: "vfio-pci"}, before)
    expect(before[TWIN_B] == "e1000e", f"the twin had driver '{before[TWIN_B]}' from the start: nothing was tested")
    expect(guest.state(TWIN_B) == "native", f"the twin's group is '{guest.state(TWIN_B)}'")


# case 26
@scenario("sriov-vfs-are-bound", seconds=150)
def sriov(guest):
    vfs = [NVME[:-1] + str(number) for number in range(1, 5)]
    before = guest.drivers()
    names = ", ".join(f'"{vf}"' for vf in vfs)
    guest.configure(f'[[bind]]\nname = "vfs"\ndevices = [{names}]\n')
    try:
        guest.run(f"echo 4 > {sysfs(NVME, 'sriov_numvfs')}", 60)
        for vf in vfs:
            guest.wait_state(vf, "bound", 60)
        guest.expect_drivers(dict.fromkeys(vfs, "vfio-pci"), before)
        groups = {guest.group(vf) for vf in vfs}
        expect(len(groups) == 4, f"the VFs are in {len(groups)} groups, not 4: nothing was shown about groups")
        parent = guest.get(device_path(vfs[0]), DEVICE, "PhysicalFunction")
        expect(parent == device_path(NVME), f"PhysicalFunction of {vfs[0]} is {parent}")
        children = guest.get(device_path(NVME), DEVICE, "VirtualFunctions")
        expect(sorted(children) == sorted(map(device_path, vfs)), f"VirtualFunctions of the PF are {children}")
    finally:
        guest.run(f"echo 0 > {sysfs(NVME, 'sriov_numvfs')}", 60, check=False)
    # case 27: they go as they came, by the PF
    guest.wait_until(lambda: not any(device_path(vf) in guest.objects() for vf in vfs), 30,
                     "the objects of the VFs to leave the bus")
    guest.expect_drivers({}, before)


# case 57
@scenario("foreign-vfio-device-is-left-alone")
def foreign_vfio(guest):
    """Somebody else bound a twin by hand; a daemon that starts and reloads has no business with it."""
    guest.run(f"modprobe vfio-pci; echo vfio-pci > {sysfs(TWIN_B, 'driver_override')}; "
              f"echo {TWIN_B} > {sysfs(TWIN_B, 'driver/unbind')}; echo {TWIN_B} > /sys/bus/pci/drivers_probe", 20)
    try:
        before = guest.drivers()
        expect(before[TWIN_B] == "vfio-pci", f"the rig could not bind {TWIN_B} by hand")
        with guest.no_kernel_writes("the daemon, with a device that another bound"):
            guest.systemctl("restart")
            guest.call(ROOT, MANAGER, "Reload")
        guest.expect_drivers({}, before)
    finally:
        guest.run(f"echo > {sysfs(TWIN_B, 'driver_override')}; echo {TWIN_B} > {sysfs(TWIN_B, 'driver/unbind')}; "
                  f"echo {TWIN_B} > /sys/bus/pci/drivers_probe", 20, check=False)


@scenario("hotplug-three-times", seconds=150)
def hotplug(guest):
    """case 42: a device that a rule matches by id comes, is bound, goes; again."""
    address, ident = boots.HOTPLUGGED, boots.HOTPLUGGED_ID
    before = guest.drivers()
    guest.configure(f'[[bind]]\nname = "plugged"\ndevices = ["{ident}"]\n')    # case 62: matches nothing today
    guest.expect_drivers({}, before)
    for round_number in (1, 2, 3):
        guest.machine.device_add(boots.HOTPLUGGED_MODEL, id="hp", bus=boots.HOTPLUG_PORTS[0])
        try:
            path = device_path(address)
            guest.wait_until(lambda: guest.get(path, DEVICE, "Driver") == "vfio-pci", 40,
                             f"round {round_number}: {address} to be on vfio-pci")
            guest.wait_state(address, "bound")
            guest.expect_drivers({address: "vfio-pci"}, before)
            group = guest.group_path(address)
        finally:
            guest.machine.device_del("hp")
        guest.wait_until(lambda: not {path, group} & guest.objects().keys(), 30,
                         f"round {round_number}: the objects of {address} and its group to leave the bus")
        guest.expect_drivers({}, before)


@scenario("every-group-and-device-is-an-object")
def objects(guest):
    """What is on the bus is what is in sysfs, neither more nor less."""
    found = guest.objects()
    addresses = guest.drivers()
    missing = [a for a in addresses if device_path(a) not in found]
    expect(not missing, f"no object for {', '.join(missing)}")
    extra = [p for p in found if p.startswith(f"{ROOT}/device/") and p not in map(device_path, addresses)]
    expect(not extra, f"objects for devices that are not there: {extra}")
    groups = {f"{ROOT}/group/{n}" for n in guest.out("ls /sys/kernel/iommu_groups").split()}
    on_bus = {p for p in found if p.startswith(f"{ROOT}/group/")}
    expect(on_bus == groups, f"groups on the bus and in sysfs differ: {on_bus ^ groups}")
    vendor = guest.get(device_path(GPU), DEVICE, "Vendor")
    expect(vendor == 0x1234, f"Vendor of {GPU} is {vendor:#x}")
    name = guest.get(device_path(AUDIO), DEVICE, "VendorName")
    expect("Intel" in name, f"VendorName of {AUDIO} is '{name}'")


@scenario("describe-is-what-ctl-prints")
def describe(guest):
    document = json.loads(guest.call(ROOT, MANAGER, "Describe")[0])
    printed = json.loads(guest.out("vfio-bindctl status --json"))
    expect(document and document == printed, "vfio-bindctl --json prints another document than Describe")
    if GPU not in json.dumps(document):
        raise Failed(f"Describe does not mention {GPU}")
