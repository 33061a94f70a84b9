// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transaction/step_runner.h"

#include <cerrno>
#include <fmt/format.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

// The add window is a few milliseconds on an idle machine; 2 s leaves room for a loaded one.
constexpr auto bindPause = 10ms;
constexpr int bindAttempts = 200;

std::string consolePath(const std::string& console) {
    return fmt::format("/sys/class/vtconsole/{}/bind", console);
}

std::string driverPath(const std::string& driver, std::string_view file) {
    return fmt::format("/sys/bus/pci/drivers/{}/{}", driver, file);
}

std::string_view verb(Step::Kind kind) {
    switch (kind) {
    case Step::Kind::driverOverride:
        return "override";
    case Step::Kind::unbind:
        return "unbind";
    case Step::Kind::bind:
        return "bind";
    case Step::Kind::probe:
        return "probe";
    case Step::Kind::newId:
        return "new-id";
    case Step::Kind::removeId:
        return "remove-id";
    case Step::Kind::giveBack:
        return "give-back";
    case Step::Kind::verify:
        return "verify";
    case Step::Kind::letGo:
        return "let-go";
    case Step::Kind::takeBack:
        return "take-back";
    }
    return "step";
}

} // namespace

std::string devicePath(const Address& device, std::string_view file) {
    return fmt::format("/sys/bus/pci/devices/{}/{}", device.str(), file);
}

std::string Step::str() const {
    std::string text = fmt::format("{}{}", undoing ? "undo: " : "", verb(kind));
    if (kind != Kind::removeId && kind != Kind::letGo && kind != Kind::takeBack) // these are of no device
        text += ' ' + device.str();
    if (kind == Kind::driverOverride && driver.empty())
        return text + " (clear)";
    return driver.empty() ? text : text + ' ' + driver;
}

std::string StepError::str() const {
    return step.str() + ": " + error.str();
}

std::string StepRunner::driverOf(const Address& device) const {
    const auto link = sysfs_.link(devicePath(device, "driver"));
    return link ? std::string(baseName(*link)) : std::string{};
}

bool StepRunner::present(const Address& device) const {
    return sysfs_.exists(devicePath(device, "vendor"));
}

SysResult<void> StepRunner::save() {
    auto saved = journals_.save(journal_);
    if (undoing_)
        return {};
    return saved;
}

/// The journal is written before a step that writes, and after one that failed. That a step went well is
/// written with the next one: who recovers looks at the devices, not at the steps.
template <typename Work>
StepRunner::Result StepRunner::perform(Step step, Work work) {
    step.undoing = undoing_;
    journal_.steps.push_back({step.str(), "begun"});
    if (step.kind != Step::Kind::verify)
        if (auto saved = save(); !saved)
            return std::unexpected(StepError{step, saved.error()});
    if (hooks_.before)
        hooks_.before(step);
    SysResult<void> result = work();
    if (hooks_.after)
        hooks_.after(step, result);
    if (result) {
        journal_.steps.back().result = "done";
        return {};
    }
    journal_.steps.back().result = result.error().str();
    (void)save(); // what failed is told in any case
    return std::unexpected(StepError{step, result.error()});
}

StepRunner::Result StepRunner::run(Step step, const std::string& path, const std::string& data) {
    return perform(std::move(step), [&] {
        wrote_ = true;
        return sysfs_.write(path, data);
    });
}

StepRunner::Result StepRunner::setOverride(const Address& device, const std::string& value) {
    // A write of zero bytes does nothing: a newline clears (doc/kernel.md 1).
    return run({Step::Kind::driverOverride, device, value}, devicePath(device, "driver_override"),
               value.empty() ? "\n" : value);
}

StepRunner::Result StepRunner::unbind(const Address& device, const std::string& driver) {
    return perform({Step::Kind::unbind, device, driver}, [&]() -> SysResult<void> {
        wrote_ = true;
        auto result = sysfs_.write(driverPath(driver, "unbind"), device.str());
        // Somebody else was faster: what we wanted has come about.
        if (!result && result.error().code == ENODEV && present(device) && driverOf(device).empty())
            return {};
        return result;
    });
}

SysResult<void> StepRunner::bindPatiently(const Address& device, const std::string& driver) {
    for (int attempt = 1;; ++attempt) {
        wrote_ = true;
        auto result = sysfs_.write(driverPath(driver, "bind"), device.str());
        if (result || driverOf(device) == driver)
            return {};
        const int code = result.error().code;
        const bool mayPass = (code == ENODEV || code == EAGAIN) && present(device);
        if (!mayPass || attempt == bindAttempts)
            return result;
        if (hooks_.pause)
            hooks_.pause(bindPause);
    }
}

StepRunner::Result StepRunner::bind(const Address& device, const std::string& driver) {
    return perform({Step::Kind::bind, device, driver}, [&] { return bindPatiently(device, driver); });
}

StepRunner::Result StepRunner::probe(const Address& device) {
    return run({Step::Kind::probe, device, {}}, "/sys/bus/pci/drivers_probe", device.str());
}

StepRunner::Result StepRunner::newId(const Address& device, const std::string& driver,
                                     const std::string& line) {
    return perform({Step::Kind::newId, device, driver}, [&]() -> SysResult<void> {
        wrote_ = true;
        auto result = sysfs_.write(driverPath(driver, "new_id"), line);
        const bool wasThere = !result && result.error().code == EEXIST;
        if (!result && !wasThere)
            return result;
        if (driverOf(device) == driver)
            return {};
        // The id was there already, or the probe at new_id was refused: this gives the errno.
        return bindPatiently(device, driver);
    });
}

StepRunner::Result StepRunner::removeId(const std::string& driver, const std::string& line) {
    return perform({Step::Kind::removeId, {}, driver}, [&]() -> SysResult<void> {
        wrote_ = true;
        auto result = sysfs_.write(driverPath(driver, "remove_id"), line);
        if (!result && result.error().code == ENODEV)
            return {}; // it is not there: wanted just so
        return result;
    });
}

StepRunner::Result StepRunner::giveBack(const Address& device, const std::string& driver) {
    return run({Step::Kind::giveBack, device, driver}, driverPath(driver, "unbind"), device.str());
}

bool StepRunner::isBoundConsole(const std::string& console) const {
    return sysfs_.read(consolePath(console), 8) == "1";
}

SysResult<void> StepRunner::setConsole(const std::string& console, bool bound) {
    const auto path = consolePath(console);
    wrote_ = true;
    if (auto written = sysfs_.write(path, bound ? "1" : "0"); !written)
        return written;
    const auto now = sysfs_.read(path, 8);
    if (!now)
        return std::unexpected(now.error());
    if (*now != (bound ? "1" : "0"))
        return std::unexpected(SysError{bound ? "the kernel leaves the console unbound; write 1 to"
                                              : "the kernel leaves the console bound; write 0 to",
                                        path, EBUSY});
    return {};
}

StepRunner::Result StepRunner::letGo(const std::string& console) {
    return perform({Step::Kind::letGo, {}, console}, [&]() -> SysResult<void> {
        if (auto noted = noteConsole(console, true); !noted)
            return noted;
        return setConsole(console, false);
    });
}

StepRunner::Result StepRunner::takeBack(const std::string& console) {
    return perform({Step::Kind::takeBack, {}, console}, [&]() -> SysResult<void> {
        auto result = setConsole(console, true);
        // It is gone, or its driver's module is (drivers/tty/vt/vt.c, vt_bind).
        const bool gone = !result && (result.error().code == ENOENT || result.error().code == ENODEV);
        if (!result && !gone)
            return result;
        return noteConsole(console, false);
    });
}

SysResult<void> StepRunner::noteConsole(const std::string& console, bool letGo) {
    auto noted = journals_.consoles(journal_.group);
    if (!noted)
        return std::unexpected(noted.error());
    const auto had = std::erase(*noted, console) != 0;
    if (letGo)
        noted->push_back(console);
    return had == letGo ? SysResult<void>{} : journals_.saveConsoles(journal_.group, *noted);
}

StepRunner::Result StepRunner::verify(const MemberPlan& member) {
    return perform({Step::Kind::verify, member.device, member.to}, [&]() -> SysResult<void> {
        const auto driver = driverOf(member.device);
        const auto wrong = [&](const std::string& operation) {
            return std::unexpected(SysError{operation, devicePath(member.device, "driver"), ENODEV});
        };
        if (!member.to.empty())
            return driver == member.to ? SysResult<void>{}
                                       : wrong(fmt::format("expected driver {}, found {}", member.to,
                                                           driver.empty() ? "none" : driver));
        if (driver.empty() && member.driverExpected)
            return wrong("no native driver has taken the device; is its module loaded? readlink");
        // Dynamic ids (vfio-pci.ids=, new_id) make the kernel choose vfio-pci again.
        if (!driver.empty() && driver == member.from)
            return wrong(fmt::format(
                "the kernel chose {} again, it has the device's id in its list; readlink", driver));
        return {};
    });
}

} // namespace vfiobind
