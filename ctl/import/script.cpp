// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/script.h"

#include "import/sources.h"
#include "pci/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iterator>
#include <optional>

namespace vfiobind::ctl {
namespace {

constexpr const char* initramfsAnew = "remove it, then build the initramfs again";

/// Up to a # at the beginning or behind a blank.
std::string_view withoutRemark(std::string_view line) {
    for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1))
        if (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t')
            return line.substr(0, at);
    return line;
}

/// The words between characters that are in no address, id or path.
std::vector<std::string_view> wordsIn(std::string_view line) {
    std::vector<std::string_view> words;
    const auto isPart = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.' || c == '_' ||
               c == '-';
    };
    for (std::size_t at = 0; at < line.size();) {
        const auto end = static_cast<std::size_t>(std::ranges::find_if_not(line.substr(at), isPart) -
                                                  line.substr(at).begin()) +
                         at;
        if (end > at)
            words.push_back(line.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

/// `0000:01:00.0`, and libvirt's `pci_0000_01_00_0`. A domain must be there: `01:00.0` may be a time of day.
std::optional<Address> addressIn(std::string_view word) {
    std::string text(word);
    if (text.starts_with("pci_")) {
        text.erase(0, 4);
        std::ranges::replace(text, '_', ':');
        if (const auto dot = text.rfind(':'); dot != std::string::npos)
            text[dot] = '.';
    }
    if (std::ranges::count(text, ':') != 2)
        return std::nullopt;
    const auto address = Address::parse(text);
    return address ? std::optional(*address) : std::nullopt;
}

bool handsOver(std::string_view line) {
    constexpr std::array<std::string_view, 7> ways{"driver_override",
                                                   "drivers/vfio-pci/new_id",
                                                   "vfio-pci/bind",
                                                   "nodedev-detach",
                                                   "nodedev-dettach",
                                                   "driverctl set-override",
                                                   "driverctl --nosave set-override"};
    return std::ranges::any_of(ways, [&](std::string_view way) { return line.contains(way); });
}

/// `echo 10de 1284 > .../new_id`
std::optional<Selector> idGiven(std::string_view line, const std::vector<std::string_view>& words) {
    constexpr std::size_t digits = 4;
    if (!line.contains("new_id"))
        return std::nullopt;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const auto vendor = parseHex<std::uint16_t>(words[i], digits, digits);
        const auto device = parseHex<std::uint16_t>(words[i + 1], digits, digits);
        if (vendor && device)
            return Selector{.id = IdPattern{.vendor = vendor, .device = device}};
    }
    return std::nullopt;
}

void warnOfScript(const Place& place, Found& found) {
    found.warnings.push_back({place,
                              "devices are handed to VFIO here; which ones cannot be told from the text: "
                              "name them in a rule"});
}

/// Whether its devices are in rules now.
bool takeScript(const ImportContext& context, const std::string& path, const std::string& rule,
                Found& found) {
    const auto content = readSource(context.sysfs, path, found);
    auto script = readScript(path, content, rule);
    if (script.handsOver == 0)
        return false;
    if (script.claims.empty())
        warnOfScript({path, script.handsOver}, found);
    const bool whole = !script.claims.empty();
    std::ranges::move(script.claims, std::back_inserter(found.claims));
    return whole;
}

void takeScripts(const ImportContext& context, const std::string& folder, const char* how,
                 bool (*wanted)(std::string_view), Found& found) {
    for (const auto& name : listSource(context.sysfs, folder, found)) {
        const auto path = folder + '/' + name;
        // Folders and what is not there any more are passed over; listing them is cheaper than to read them.
        if (!wanted(name) || context.sysfs.list(path) ||
            context.sysfs.link(path).value_or(std::string{}) == "/dev/null") // a masked unit
            continue;
        if (takeScript(context, path, ruleName(name.substr(0, name.find('.')), "script"), found))
            found.removable.push_back({{path, 0}, "what hands devices to VFIO", how});
    }
}

bool any(std::string_view) {
    return true;
}
bool ofVfio(std::string_view name) {
    return name.contains("vfio") && !name.starts_with("vfio-bind"); // ours, and the guide's own script
}
bool isUnit(std::string_view name) {
    return name.ends_with(".service") && name != "vfio-bind.service";
}

/// What a hook does when a VM starts is to be had by asking, and not at boot.
void readHooks(const ImportContext& context, const std::string& folder, unsigned depth, Found& found) {
    constexpr unsigned deepest = 6; // qemu.d/VM/prepare/begin/FILE
    const auto folders = context.sysfs.folders(folder).value_or(std::vector<std::string>{});
    for (const auto& name : listSource(context.sysfs, folder, found)) {
        const auto path = folder + '/' + name;
        if (std::ranges::binary_search(folders, name)) {
            if (depth < deepest)
                readHooks(context, path, depth + 1, found);
            continue;
        }
        auto script = readScript(path, readSource(context.sysfs, path, found), "libvirt-hook");
        if (script.handsOver != 0 && script.claims.empty())
            warnOfScript({path, script.handsOver}, found);
        if (script.handsOver == 0)
            continue;
        for (auto& claim : script.claims) {
            claim.asked = true;
            found.claims.push_back(std::move(claim));
        }
    }
}

} // namespace

ScriptDevices readScript(const std::string& path, const std::string& content, const std::string& rule) {
    ScriptDevices script;
    for (const auto& line : linesOf(path, content)) {
        const auto text = withoutRemark(line.text);
        if (script.handsOver == 0 && handsOver(text))
            script.handsOver = line.place.line;
        const auto words = wordsIn(text);
        const auto claim = [&](Selector selector) {
            if (!has(script.claims, selector, &Claim::selector))
                script.claims.push_back({.selector = std::move(selector), .place = line.place, .name = rule});
        };
        for (const auto word : words)
            if (const auto address = addressIn(word))
                claim({.address = *address});
        if (auto id = idGiven(text, words))
            claim(std::move(*id));
    }
    return script;
}

void readInstallCommand(const ImportContext& context, const Place& place, const std::string& command,
                        const Removable& line, Found& found) {
    constexpr std::array<std::string_view, 6> shells{"sh", "bash", "dash", "env", "modprobe", "echo"};
    const auto here = readScript(place.file, command, "modprobe");
    bool whole = here.handsOver != 0 && !here.claims.empty();
    if (whole)
        for (auto claim : here.claims) {
            claim.place = place;
            found.claims.push_back(std::move(claim));
        }
    std::vector<Removable> scripts;
    for (const auto part : split(command, ' ')) {
        const auto path = std::string(part.substr(0, part.find_first_of(";&|\"'")));
        if (!path.starts_with('/') || has(shells, baseName(path)) || !context.sysfs.exists(path))
            continue;
        if (takeScript(context, path, "modprobe", found))
            scripts.push_back({{path, 0}, "the script of that line", initramfsAnew});
    }
    whole = whole || !scripts.empty();
    if (whole)
        found.removable.push_back(line);
    else
        found.warnings.push_back(
            {place,
             fmt::format("{} is run in place of loading vfio-pci, which vfio-bind needs: what it hands over "
                         "cannot be told; name the devices in a rule and remove the line",
                         quote(command))});
    std::ranges::move(scripts, std::back_inserter(found.removable));
}

Found importScripts(const ImportContext& context) {
    Found found;
    const std::string initramfs = "/etc/initramfs-tools/scripts";
    for (const auto& stage : context.sysfs.folders(initramfs).value_or(std::vector<std::string>{}))
        takeScripts(context, initramfs + '/' + stage, "remove it, then update-initramfs -u", any, found);
    takeScripts(context, "/etc/initcpio/hooks", "remove it, then mkinitcpio -P", any, found);
    const std::string dracutFolder = "/usr/lib/dracut/modules.d";
    for (const auto& module : context.sysfs.folders(dracutFolder).value_or(std::vector<std::string>{}))
        if (ofVfio(module) && !module.ends_with("vfio-bind"))
            takeScripts(context, dracutFolder + '/' + module, "remove it, then dracut --force", any, found);
    for (const std::string folder : {"/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin"})
        takeScripts(context, folder, "remove it, and what runs it", ofVfio, found);
    takeScripts(context, "/etc/systemd/system", "systemctl disable it, and remove it", isUnit, found);
    if (takeScript(context, "/etc/rc.local", "rc-local", found))
        found.removable.push_back({{"/etc/rc.local", 0}, "what hands devices to VFIO", "remove those lines"});
    readHooks(context, "/etc/libvirt/hooks", 0, found);
    return found;
}

} // namespace vfiobind::ctl
