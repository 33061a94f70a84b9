// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/display.h"

#include "guard/look.h"
#include "pci/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <fmt/format.h>
#include <sstream>
#include <utility>

namespace vfiobind {
namespace {

std::string about(const Address& device, std::string_view question) {
    return fmt::format("{} {}", device.str(), question);
}

bool isNumbered(std::string_view name, std::string_view prefix) {
    return name.starts_with(prefix) && name.size() > prefix.size() &&
           std::ranges::all_of(name.substr(prefix.size()),
                               [](unsigned char c) { return std::isdigit(c) != 0; });
}

// ---- the firmware's framebuffer

/// The names that the kernel gives the memory of a framebuffer that the firmware set up
/// (drivers/firmware/sysfb*.c, drivers/video/fbdev, drivers/gpu/drm/tiny).
constexpr std::array<std::string_view, 8> firmwareFramebuffers{
    "BOOTFB", "efifb", "simplefb", "simple-framebuffer", "simpledrm", "vesafb", "vesadrm", "efidrm"};

/// A resource below one of the device's in /proc/iomem; the depth is in the indentation, which is there even
/// where the addresses are hidden from a process without CAP_SYS_ADMIN.
std::string framebufferBelow(const std::string& iomem, const std::string& device) {
    std::istringstream lines(iomem);
    std::size_t within = std::string::npos; ///< the device's depth, while we are below it
    for (std::string line; std::getline(lines, line);) {
        const auto depth = line.find_first_not_of(' ');
        const auto colon = line.find(" : ");
        if (depth == std::string::npos || colon == std::string::npos)
            continue;
        const auto name = line.substr(colon + 3);
        if (within != std::string::npos && depth <= within)
            within = std::string::npos;
        if (within != std::string::npos &&
            std::ranges::find(firmwareFramebuffers, name) != firmwareFramebuffers.end())
            return name;
        if (within == std::string::npos && name == device)
            within = depth;
    }
    return {};
}

// ---- the console

struct Console {
    std::string name; ///< `vtcon1`
    std::string what; ///< `(M) frame buffer device`, `(S) VGA+`
};

/// The consoles of the virtual terminals that are bound.
SysResult<std::vector<Console>> boundConsoles(const Sysfs& sysfs) {
    std::vector<Console> bound;
    const auto names = listIfThere(sysfs, "/sys/class/vtconsole");
    if (!names)
        return std::unexpected(names.error());
    for (const auto& name : *names) {
        const auto flag = readIfThere(sysfs, fmt::format("/sys/class/vtconsole/{}/bind", name), 8);
        const auto what = readIfThere(sysfs, fmt::format("/sys/class/vtconsole/{}/name", name), 64);
        if (!flag || !what)
            return std::unexpected(!flag ? flag.error() : what.error());
        if (*flag == "1")
            bound.push_back({name, *what});
    }
    return bound;
}

/// Only VGA controllers have the file.
SysResult<bool> isBootVga(const Sysfs& sysfs, const Address& device) {
    const auto flag = readIfThere(sysfs, fmt::format("/sys/bus/pci/devices/{}/boot_vga", device.str()), 8);
    if (!flag)
        return std::unexpected(flag.error());
    return *flag == "1";
}

/// What shows the terminals on the device: `fb0`, `VGA+`; empty where nothing does. The framebuffer console
/// is on fb0 (con2fb_map_boot in drivers/video/fbdev/core/fbcon.c), or on that of the boot display
/// (CONFIG_FRAMEBUFFER_CONSOLE_DETECT_PRIMARY, which Debian has).
SysResult<std::string> terminalsOn(const Sysfs& sysfs, const Address& device) {
    const auto bootVga = isBootVga(sysfs, device);
    if (!bootVga)
        return std::unexpected(bootVga.error());
    const auto framebuffers = classEntriesBelow(sysfs, "graphics", device);
    if (!framebuffers)
        return std::unexpected(framebuffers.error());
    if (!*bootVga && framebuffers->empty())
        return std::string{};
    const auto bound = boundConsoles(sysfs);
    if (!bound)
        return std::unexpected(bound.error());
    for (const auto& console : *bound) {
        if (console.what.contains("VGA+") && *bootVga)
            return std::string("VGA+");
        if (!console.what.contains("frame buffer"))
            continue;
        for (const auto& entry : *framebuffers)
            if (entry.name == "fb0" || (*bootVga && isNumbered(entry.name, "fb")))
                return entry.name;
    }
    return std::string{};
}

/// Who writes to the terminals.
struct TerminalUsers {
    std::string text; ///< empty for nobody
    std::vector<Detail> details;
};

SysResult<TerminalUsers> terminalUsers(const Sysfs& sysfs, const Openers& openers) {
    const auto consoles = readIfThere(sysfs, "/proc/consoles", 4096);
    if (!consoles)
        return std::unexpected(consoles.error());
    const auto terminals = terminalNodes(sysfs);
    // logind keeps a terminal open so that nobody else gets it (ReserveVT= in logind.conf(5)).
    std::vector<Opener> users;
    std::ranges::copy_if(openers.found, std::back_inserter(users), [&](const Opener& opener) {
        return terminals.contains(opener.device) && !isOfService(sysfs, opener.pid, "systemd-logind");
    });
    if (!users.empty())
        return TerminalUsers{named(users), detailsOf(users)};
    if (('\n' + *consoles).contains("\ntty0 "))
        return TerminalUsers{"the kernel (console=tty0)", {}};
    if (!openers.unreadable.empty())
        return std::unexpected(openers.unreadable.front());
    return TerminalUsers{};
}

void addSerialConsoles(Blockers& blockers, const Sysfs& sysfs, const Address& device) {
    const auto unknown = [&](const SysError& error) {
        blockers.push_back(cannotTell("console", device, about(device, "is a console"), error));
    };
    const auto consoles = readIfThere(sysfs, "/proc/consoles", 4096);
    if (!consoles)
        return unknown(consoles.error());
    for (const auto line : split(*consoles, '\n')) {
        const std::string name(line.substr(0, line.find(' ')));
        if (name.empty())
            continue; // of a kernel without consoles
        const auto place = sysfs.link("/sys/class/tty/" + name);
        if (!place && !isGone(place.error())) // netcon0 and the like are no terminals
            return unknown(place.error());
        if (place && isBelow(*place, device))
            blockers.push_back(
                {"console", device,
                 fmt::format("{} of {} is a console of the kernel (console={})", name, device.str(), name)});
    }
}

} // namespace

std::set<DeviceNumber> terminalNodes(const Sysfs& sysfs) {
    std::set<DeviceNumber> nodes;
    constexpr unsigned terminals = 63; // MAX_NR_CONSOLES
    if (sysfs.exists("/sys/class/vtconsole"))
        for (unsigned i = 1; i <= terminals; ++i)
            nodes.insert({.block = false, .major = 4, .minor = i}); // TTY_MAJOR
    return nodes;
}

bool mayShowTerminals(const Sysfs& sysfs, const Address& device) {
    const auto on = terminalsOn(sysfs, device);
    return !on || !on->empty();
}

SysResult<std::vector<std::string>> consolesOn(const Sysfs& sysfs, const std::vector<Address>& devices) {
    std::vector<std::string> names;
    std::size_t ours = 0;
    bool shows = false;
    for (const auto& device : devices) {
        const auto framebuffers = classEntriesBelow(sysfs, "graphics", device);
        const auto on = terminalsOn(sysfs, device);
        if (!framebuffers || !on)
            return std::unexpected(!framebuffers ? framebuffers.error() : on.error());
        ours += framebuffers->size();
        shows |= !on->empty();
    }
    if (!shows)
        return names;
    const auto all = listIfThere(sysfs, "/sys/class/graphics");
    const auto bound = boundConsoles(sysfs);
    if (!all || !bound)
        return std::unexpected(!all ? all.error() : bound.error());
    if (std::cmp_greater(std::ranges::count_if(*all, [](const auto& name) { return isNumbered(name, "fb"); }),
                         ours))
        return names;
    for (const auto& console : *bound)
        if (console.what.starts_with("(M)"))
            names.push_back(console.name);
    return names;
}

Blockers bootDisplayBlockers(const Sysfs& sysfs, const Address& device) {
    Blockers blockers;
    const auto bootVga = isBootVga(sysfs, device);
    if (!bootVga)
        blockers.push_back(
            cannotTell("boot-display", device, about(device, "is the boot display"), bootVga.error()));
    else if (*bootVga)
        blockers.push_back({"boot-display", device,
                            fmt::format("{} is the display that the machine started with (boot_vga); without "
                                        "another the host's screen stays dark",
                                        device.str())});
    const auto iomem = readIfThere(sysfs, "/proc/iomem", 1 << 20);
    if (!iomem) {
        blockers.push_back(cannotTell("boot-display", device,
                                      about(device, "still has the firmware's framebuffer"), iomem.error()));
        return blockers;
    }
    if (const auto name = framebufferBelow(*iomem, device.str()); !name.empty())
        blockers.push_back(
            {"boot-display", device,
             fmt::format(
                 "the firmware's framebuffer ({}) lies in the memory of {}, so a VM cannot map it; "
                 "start on another display, or with the kernel parameter initcall_blacklist=sysfb_init, "
                 "which is "
                 "reported to help on some kernels and not to on others that have simpledrm built in",
                 name, device.str())});
    return blockers;
}

Blockers consoleBlockers(const Sysfs& sysfs, const Address& device, const Openers& openers) {
    Blockers blockers;
    const auto on = terminalsOn(sysfs, device);
    const auto users = on && !on->empty() ? terminalUsers(sysfs, openers) : TerminalUsers{};
    if (!on || !users)
        blockers.push_back(cannotTell("console", device, about(device, "shows the console"),
                                      !on ? on.error() : users.error()));
    else if (!users->text.empty())
        blockers.push_back({.code = "console",
                            .device = device,
                            .sentence = fmt::format("{} shows the console ({}), which is used by {}",
                                                    device.str(), *on, users->text),
                            .details = users->details});
    addSerialConsoles(blockers, sysfs, device);
    return blockers;
}

Blockers pictureBlockers(const Sysfs& sysfs, const Address& device) {
    Blockers blockers;
    const auto connectors = classEntriesBelow(sysfs, "drm", device);
    const auto console = connectors && connectors->empty() ? std::string{} : terminalsOn(sysfs, device);
    if (!connectors || !console) {
        blockers.push_back(cannotTell("display-in-use", device, about(device, "shows a picture"),
                                      !connectors ? connectors.error() : console.error()));
        return blockers;
    }
    if (!console->empty())
        return blockers; // the picture is the console's, which is judged by itself
    for (const auto& entry : *connectors) {
        const auto state = readIfThere(sysfs, fmt::format("/sys/class/drm/{}/enabled", entry.name), 16);
        if (!state)
            blockers.push_back(
                cannotTell("display-in-use", device, about(device, "shows a picture"), state.error()));
        else if (*state == "enabled")
            blockers.push_back({"display-in-use", device,
                                fmt::format("{} of {} shows a picture; switch that output off first",
                                            entry.name, device.str())});
    }
    return blockers;
}

Blockers streamBlockers(const Sysfs& sysfs, const Address& device, const std::vector<DeviceNode>& nodes) {
    Blockers blockers;
    for (const auto& node : nodes) {
        // /dev/snd/pcmC0D3p is /proc/asound/card0/pcm3p.
        const auto name = std::string(baseName(node.place));
        const auto d = name.find('D');
        if (node.kind != "sound" || !name.starts_with("pcmC") || d == std::string::npos)
            continue;
        const auto folder =
            fmt::format("/proc/asound/card{}/pcm{}", name.substr(4, d - 4), name.substr(d + 1));
        for (const auto& sub : listIfThere(sysfs, folder).value_or(std::vector<std::string>{})) {
            if (!sub.starts_with("sub"))
                continue;
            const auto status = readIfThere(sysfs, fmt::format("{}/{}/status", folder, sub), 4096);
            if (!status)
                blockers.push_back(
                    cannotTell("sound-in-use", device, about(device, "plays or records"), status.error()));
            else if (status->contains("state: RUNNING") || status->contains("state: DRAINING"))
                blockers.push_back({"sound-in-use", device,
                                    fmt::format("a stream runs on {} of {}; stop it first",
                                                nodeName(sysfs, node), device.str())});
        }
    }
    return blockers;
}

} // namespace vfiobind
