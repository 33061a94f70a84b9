// SPDX-License-Identifier: LGPL-2.1-or-later
#include "twin/script.h"

#include "twin/recorder.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

namespace vfiobind::twin {

namespace {

std::string orDash(const std::string& text) {
    return text.empty() ? "-" : text;
}

std::string orError(const SysResult<std::string>& result) {
    return result ? '"' + escaped(*result) + '"' : errnoName(result.error().code);
}

} // namespace

std::string Script::device(const std::string& address, const std::string& file) {
    return devicesDirectory + address + (file.empty() ? "" : "/" + file);
}

int Script::write(const std::string& path, std::string_view data) {
    const auto result = sysfs_.write(path, data);
    say(writeLine(path, data, result));
    return result ? 0 : result.error().code;
}

int Script::setOverride(const std::string& address, std::string_view value) {
    return write(device(address, "driver_override"), value);
}

int Script::bind(const std::string& driver, const std::string& address) {
    return write(driversDirectory + driver + "/bind", address);
}

int Script::unbind(const std::string& driver, const std::string& address) {
    return write(driversDirectory + driver + "/unbind", address);
}

int Script::unbind(const std::string& address) {
    const auto driver = driverOf(address);
    if (!driver.empty())
        return unbind(driver, address);
    say(address + " has no driver to unbind");
    return 0;
}

int Script::probe(const std::string& address) {
    return write("/sys/bus/pci/drivers_probe", address);
}

int Script::newId(const std::string& driver, std::string_view line) {
    const int code = write(driversDirectory + driver + "/new_id", line);
    if (code == 0 && !line.empty()) // a write of nothing is ok, and does nothing
        dynamicIds_.emplace(driver, line.substr(0, line.find(' ', line.find(' ') + 1)));
    return code;
}

int Script::removeId(const std::string& driver, std::string_view line) {
    return write(driversDirectory + driver + "/remove_id", line);
}

int Script::numVfs(std::string_view count) {
    return write(device(roles.pf, "sriov_numvfs"), count);
}

int Script::vfAutoprobe(std::string_view value) {
    return write(device(roles.pf, "sriov_drivers_autoprobe"), value);
}

int Script::remove(const std::string& address) {
    return write(device(address, "remove"), "1");
}

int Script::rescan() {
    return write("/sys/bus/pci/rescan", "1");
}

void Script::toVfio(const std::string& address) {
    setOverride(address, "vfio-pci");
    unbind(address);
    bind("vfio-pci", address);
}

void Script::toNative(const std::string& address) {
    setOverride(address, "\n");
    unbind(address);
    probe(address);
}

std::string Script::driverOf(const std::string& address) const {
    const auto target = sysfs_.link(device(address, "driver"));
    return target ? std::string(baseName(*target)) : "";
}

std::string Script::groupOf(const std::string& address) const {
    const auto target = sysfs_.link(device(address, "iommu_group"));
    return target ? std::string(baseName(*target)) : "";
}

std::string Script::idsOf(const std::string& address, char separator) const {
    const auto modalias = sysfs_.read(device(address, "modalias"));
    const auto ids = modalias ? Ids::fromModalias(*modalias) : std::unexpected(modalias.error().str());
    if (!ids)
        throw std::runtime_error(ids.error());
    return fmt::format("{:04x}{}{:04x}", ids->vendor, separator, ids->device);
}

void Script::look(const std::string& address) {
    if (!sysfs_.exists(device(address))) {
        say(fmt::format("look {}: not there", address));
        return;
    }
    const auto group = groupOf(address);
    const auto members = sysfs_.list("/sys/kernel/iommu_groups/" + group + "/devices");
    // Not the number: it is free again only when the last reader of the old one, such as udev, lets go of it.
    auto cdev = sysfs_.list(device(address, "vfio-dev"));
    if (cdev)
        for (auto& name : *cdev)
            name.erase(name.find_last_not_of("0123456789") + 1);
    const auto driver = driverOf(address);
    say(fmt::format("look {}: driver {} override {} group {} of [{}] node {} vfio-dev [{}]{}", address,
                    orDash(driver), orError(sysfs_.read(device(address, "driver_override"))), orDash(group),
                    members ? fmt::format("{}", fmt::join(*members, " ")) : errnoName(members.error().code),
                    sysfs_.exists("/dev/vfio/" + group) ? "yes" : "no",
                    cdev ? fmt::format("{}", fmt::join(*cdev, " ")) : errnoName(cdev.error().code),
                    driver.empty() || sysfs_.exists(driversDirectory + driver + '/' + address)
                        ? ""
                        : " (not listed by its driver)"));
}

void Script::look(const std::vector<std::string>& addresses) {
    for (const auto& address : addresses)
        look(address);
}

void Script::read(const std::string& path) {
    say(fmt::format("read {}: {}", path, orError(sysfs_.read(path))));
}

void Script::link(const std::string& path) {
    say(fmt::format("link {}: {}", path, orError(sysfs_.link(path))));
}

void Script::list(const std::string& path) {
    const auto names = sysfs_.list(path);
    say(fmt::format("list {}: {}", path,
                    names ? fmt::format("{}", fmt::join(*names, " ")) : errnoName(names.error().code)));
}

// ---- transactions

void Script::bindGroup(const std::string& address) {
    bindGroup(address, {});
}
void Script::bindGroup(const std::string& address, const Options& options) {
    carryOutPlan(address, Action::bind, options);
}
void Script::releaseGroup(const std::string& address) {
    releaseGroup(address, {});
}
void Script::releaseGroup(const std::string& address, const Options& options) {
    carryOutPlan(address, Action::release, options);
}

void Script::carryOutPlan(const std::string& address, Action action, const Options& options) {
    auto topology = Topology::read(sysfs_).value();
    auto drivers = readDrivers(sysfs_).value();
    const auto at = [](const std::string& text) { return Address::parse(text).value(); };
    for (const auto& [device, driver] : options.native)
        drivers.native[at(device)] = driver;
    for (const auto& device : options.driverless)
        drivers.driverless.insert(at(device));
    const auto group = static_cast<unsigned>(std::stoul(groupOf(address)));
    for (const auto& member : std::set<Address>(topology.findGroup(group)->members))
        if (auto held = readDriverOverride(sysfs_, member))
            topology.setOverride(member, *held);
    const Wanted wanted{.action = action,
                        .rule = "twin",
                        .driver = options.driver,
                        .method = options.method,
                        .allow = options.allow,
                        .by = "a scenario",
                        .blockers = {}};
    const auto plan = planGroup(group, wanted, topology, drivers);
    for (const auto& line : linesOf(plan.str()))
        say("plan " + line);
    if (plan.blocked())
        return;

    Recorder recorder(sysfs_, [this](const std::string& line) { say(line); });
    recorder.interruptAt = options.interruptAt;
    recorder.interruption = options.interruption;
    recorder.cutOffAt = options.cutOffAt;
    MemoryJournalStore journals;
    // Nobody changes the machine meanwhile: what is tried again needs no pause to end the same.
    const TransactionHooks hooks{.before = {}, .after = {}, .pause = [](std::chrono::milliseconds) {}};
    try {
        const auto outcome = carryOut(recorder, plan, journals, hooks);
        recorder.flush();
        say("outcome " + outcome.str());
    } catch (const Recorder::CutOff&) {
        say("cut off");
        recorder.cutOffAt = SIZE_MAX;
        const auto left = journals.journals;
        for (const auto& [number, journal] : left) {
            const auto outcome = recover(recorder, journal, journals, hooks);
            recorder.flush();
            say("recovery " + outcome.str());
        }
    }
    for (const auto& [number, journal] : journals.journals)
        say(fmt::format("journal of group {} is kept", number));
}

// ---- the frame

State Script::state() const {
    State state;
    const auto devices = sysfs_.list("/sys/bus/pci/devices");
    if (!devices)
        throw std::runtime_error(devices.error().str());
    for (const auto& address : *devices) {
        const auto held = sysfs_.read(device(address, "driver_override"));
        const auto text = held ? *held : errnoName(held.error().code);
        state["driver " + address] = driverOf(address);
        state["override " + address] = text == "(null)" ? "" : text;
        state["group " + address] = groupOf(address);
        for (const auto* file : {"sriov_numvfs", "sriov_drivers_autoprobe", "reset_method"})
            if (const auto value = sysfs_.read(device(address, file)))
                state[std::string(file) + ' ' + address] = *value;
    }
    for (const auto* file :
         {"/sys/bus/pci/drivers_autoprobe", "/sys/module/vfio_pci/parameters/enable_sriov"})
        if (const auto value = sysfs_.read(file))
            state[file] = *value;
    return state;
}

void Script::restore(const State& before) {
    // What there is of dynamic ids no file tells: whether there was one shows when it goes.
    for (const auto& [driver, ids] : dynamicIds_)
        while (sysfs_.write(driversDirectory + driver + "/remove_id", ids))
            say(fmt::format("left behind: an id of {}: {}", driver, ids));
    for (int round = 0; round < 2; ++round) {
        const auto now = state();
        if (now == before)
            return;
        const char* what = round == 0 ? "left behind" : "NOT RESTORED";
        for (const auto& [key, value] : now)
            if (const auto was = before.find(key); was == before.end())
                say(fmt::format("{}: {} {}, which was not there", what, key, value));
            else if (was->second != value)
                say(fmt::format("{}: {} is '{}', was '{}'", what, key, value, was->second));
        for (const auto& [key, value] : before)
            if (!now.contains(key))
                say(fmt::format("{}: {} is gone, was '{}'", what, key, value));
        if (round == 0)
            repair(before, now);
    }
}

/// Not to be compared: how it is repaired depends on what was left.
void Script::repair(const State& before, const State& now) {
    const auto put = [&](const std::string& path, const std::string& data) {
        if (const auto result = sysfs_.write(path, data); !result)
            say("repair: " + result.error().str());
    };
    if (std::ranges::any_of(before, [&](const auto& entry) { return !now.contains(entry.first); }))
        put("/sys/bus/pci/rescan", "1");
    // Values of files first, drivers after them: an override decides which driver comes.
    for (const auto& [key, value] : before) {
        const auto current = state();
        const auto is = current.find(key);
        if (key.starts_with("driver ") || key.starts_with("group ") || is == current.end() ||
            is->second == value)
            continue;
        if (key.starts_with('/'))
            put(key, value);
        else if (const auto blank = key.find(' '); key.starts_with("override "))
            put(device(key.substr(blank + 1), "driver_override"), value.empty() ? "\n" : value);
        else
            put(device(key.substr(blank + 1), key.substr(0, blank)), value);
    }
    for (const auto& [key, value] : before) {
        const auto address = key.substr(key.find(' ') + 1);
        if (!key.starts_with("driver ") || driverOf(address) == value)
            continue;
        if (const auto driver = driverOf(address); !driver.empty())
            put(driversDirectory + driver + "/unbind", address);
        if (!value.empty())
            put(driversDirectory + value + "/bind", address);
    }
}

} // namespace vfiobind::twin
