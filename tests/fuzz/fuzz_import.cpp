// SPDX-License-Identifier: LGPL-2.1-or-later
// Files that others have put on a host, as root's vfio-bindctl import reads them: rules that our own parser
// takes, and sentences. The input is files with a NUL between them; the first byte of each says which file it
// is.
#include "config/config.h"
#include "import/import.h"
#include "import/sources.h"
#include "must.h"
#include "pci/text.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>

namespace {

using namespace vfiobind;
using fuzz::must;

/// Files in memory, and nothing else.
class MemoryFiles final : public Sysfs {
public:
    std::map<std::string, std::string> files;

    SysResult<std::string> read(const std::string& path, std::size_t limit) const override {
        const auto found = files.find(path);
        if (found == files.end())
            return std::unexpected(SysError{"read", path, ENOENT});
        return found->second.substr(0, limit);
    }
    SysResult<void> write(const std::string& path, std::string_view) override {
        return std::unexpected(SysError{"write", path, EROFS});
    }
    SysResult<std::vector<std::string>> list(const std::string& path) const override {
        std::vector<std::string> names;
        for (const auto& [file, content] : files)
            if (file.starts_with(path + '/') && file.find('/', path.size() + 1) == std::string::npos)
                names.push_back(file.substr(path.size() + 1));
        if (names.empty())
            return std::unexpected(SysError{"list", path, files.contains(path) ? ENOTDIR : ENOENT});
        return names;
    }
    SysResult<std::vector<std::string>> folders(const std::string&) const override { return {}; }
    SysResult<std::string> link(const std::string& path) const override {
        return std::unexpected(SysError{"readlink", path, EINVAL});
    }
    SysResult<std::optional<DeviceNumber>> node(const std::string&) const override {
        return std::optional<DeviceNumber>{};
    }
    SysResult<void> openExclusively(const std::string& path, const DeviceNumber&) const override {
        return std::unexpected(SysError{"open", path, EROFS});
    }
    bool exists(const std::string& path) const override { return files.contains(path); }
};

constexpr std::array<const char*, 20> places{"/etc/modprobe.d/a.conf",
                                             "/etc/modprobe.d/b.conf",
                                             "/etc/modules",
                                             "/etc/initramfs-tools/modules",
                                             "/proc/cmdline",
                                             "/etc/default/grub",
                                             "/etc/sysconfig/vfio-bind",
                                             "/etc/driverctl.d/pci-0000:01:00.0",
                                             "/etc/libvirt/qemu/a.xml",
                                             "/etc/libvirt/qemu/networks/a.xml",
                                             "/etc/libvirt/hooks/qemu",
                                             "/etc/pve/qemu-server/100.conf",
                                             "/etc/pve/mapping/pci.cfg",
                                             "/etc/udev/rules.d/a.rules",
                                             "/usr/local/bin/vfio-pci-override.sh",
                                             "/etc/systemd/system/a.service",
                                             "/etc/dracut.conf",
                                             "/etc/mkinitcpio.conf",
                                             "/var/tmp/one/im/kvm-probes.d/pci.rb",
                                             "/var/tmp/one/etc/im/kvm-probes.d/pci.conf"};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    MemoryFiles files;
    for (const auto part : split(input, '\0'))
        if (!part.empty())
            files.files[places[static_cast<unsigned char>(part.front()) % places.size()]] = part.substr(1);
    const Topology nothing;
    const auto imported =
        ctl::importFrom({.sysfs = files, .topology = nothing, .name = [](const Ids&) { return ""; }}, {}, {});
    for (const auto& warning : imported.warnings)
        must(!warning.str().empty(), "a warning says something");
    must(imported.looked.size() == ctl::importSources.size(), "all sources are looked at");
    (void)ctl::renderRemovable(imported.removable);
    if (imported.toml.empty())
        return 0;
    const auto policy = parsePolicy({{"/etc/imported.toml", imported.toml}});
    must(static_cast<bool>(policy), "what is printed is a configuration", imported.toml);
    return 0;
}
