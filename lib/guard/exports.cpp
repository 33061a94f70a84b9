// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/exports.h"

#include "guard/look.h"
#include "pci/text.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace vfiobind {
namespace {

/// The word after `key`, up to a blank or the line's end.
std::string_view wordAfter(std::string_view text, std::string_view key) {
    const auto at = text.find(key);
    if (at == std::string_view::npos)
        return {};
    auto rest = text.substr(at + key.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    return rest.substr(0, rest.find_first_of(" \n"));
}

class ExportSearch {
public:
    explicit ExportSearch(const Sysfs& sysfs) : sysfs_(sysfs) {}

    Exports exports;

    void lookAtLio() {
        const std::string core = "/sys/kernel/config/target/core";
        for (const auto& hba : listed(core))
            for (const auto& name : listed(core + '/' + hba))
                lookAtBackend(fmt::format("{}/{}/{}", core, hba, name));
    }

    void lookAtNvmet() {
        const std::string subsystems = "/sys/kernel/config/nvmet/subsystems";
        for (const auto& subsystem : listed(subsystems)) {
            const auto folder = subsystems + '/' + subsystem;
            for (const auto& space : listed(folder + "/namespaces"))
                lookAtNamespace(folder + "/namespaces/" + space);
            lookAtNamespace(folder + "/passthru");
        }
    }

private:
    /// Its names; a file among the folders has none.
    std::vector<std::string> listed(const std::string& folder) {
        const auto names = sysfs_.folders(folder);
        if (!names && !isGone(names.error()) && names.error().code != ENOTDIR)
            exports.unreadable.push_back(names.error());
        return names.value_or(std::vector<std::string>{});
    }

    std::string content(const std::string& path) {
        const auto text = readIfThere(sysfs_, path, 4096);
        if (!text)
            exports.unreadable.push_back(text.error());
        return text.value_or(std::string{});
    }

    void add(const DeviceNumber& number, const std::string& place, const std::string& undo) {
        exports.all.push_back({number, place, undo});
    }

    void addByPath(const std::string& path, const std::string& place, const std::string& undo) {
        if (!path.starts_with('/'))
            return;
        const auto node = sysfs_.node(path);
        if (!node && !isGone(node.error()))
            exports.unreadable.push_back(node.error());
        if (node && *node)
            add(**node, place, undo);
    }

    /// `iBlock device: sda  UDEV PATH: /dev/sda  readonly: 0` and `Major: 8 Minor: 0  CLAIMED: IBLOCK`, or
    /// `TCM FILEIO ID: 0        File: /dev/sda  Size: ...`. `Status: ACTIVATED` is there only once a LUN
    /// serves it to somebody; LIO has the disk for itself from `enable` on.
    void lookAtBackend(const std::string& place) {
        if (content(place + "/enable") != "1")
            return;
        const auto info = content(place + "/info");
        const std::string undo = "targetcli /backstores delete, or rmdir of it and its LUNs";
        const auto number = parseDeviceNumber(
            fmt::format("{}:{}", wordAfter(info, "Major:"), wordAfter(info, "Minor:")), true);
        if (number)
            return add(*number, place, undo);
        addByPath(std::string(wordAfter(info, "File:")), place, undo);
        addByPath(content(place + "/udev_path"), place, undo);
    }

    void lookAtNamespace(const std::string& place) {
        if (content(place + "/enable") == "1")
            addByPath(content(place + "/device_path"), place, fmt::format("echo 0 > {}/enable", place));
    }

    const Sysfs& sysfs_;
};

} // namespace

Exports readExports(const Sysfs& sysfs) {
    ExportSearch search(sysfs);
    search.lookAtLio();
    search.lookAtNvmet();
    return std::move(search.exports);
}

} // namespace vfiobind
