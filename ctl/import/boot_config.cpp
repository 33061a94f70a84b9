// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/boot_config.h"

#include "guard/look.h"
#include "import/found.h"
#include "text.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>

namespace vfiobind::ctl {
namespace {

enum class Loader { grub, kernelInstall, unifiedImage, entries, dracut, plain };

struct BootFile {
    std::string path;
    Loader loader;
};

void addFolder(const Sysfs& sysfs, const std::string& folder, std::string_view ending, Loader loader,
               std::vector<BootFile>& files) {
    for (const auto& name : listIfThere(sysfs, folder).value_or(std::vector<std::string>{}))
        if (name.ends_with(ending))
            files.push_back({folder + '/' + name, loader});
}

/// What may have kernel parameters. A loader.conf never has.
std::vector<BootFile> bootFiles(const Sysfs& sysfs) {
    std::vector<BootFile> files{{"/etc/default/grub", Loader::grub}};
    addFolder(sysfs, "/etc/default/grub.d", ".cfg", Loader::grub, files);
    if (!sysfs.link("/etc/sysconfig/grub")) // Fedora's is a link to /etc/default/grub
        files.push_back({"/etc/sysconfig/grub", Loader::grub});
    files.push_back({"/etc/kernel/cmdline", Loader::kernelInstall});
    addFolder(sysfs, "/etc/cmdline.d", ".conf", Loader::unifiedImage, files);
    for (const auto* folder : {"/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries"})
        addFolder(sysfs, folder, ".conf", Loader::entries, files);
    addFolder(sysfs, "/etc/dracut.conf.d", ".conf", Loader::dracut, files);
    for (const auto* path : {"/boot/firmware/cmdline.txt", "/boot/cmdline.txt", "/boot/refind_linux.conf"})
        files.push_back({path, Loader::plain});
    return files;
}

/// Whether the parameter stands in the line: not behind a #, and not as a part of a longer word.
bool hasParameter(std::string_view line, const KernelWord& word) {
    const auto wanted = word.value ? word.name + '=' : word.name;
    if (trimmed(line).starts_with('#'))
        return false;
    constexpr std::string_view around = " \t\"'=";
    for (auto at = line.find(wanted); at != std::string_view::npos; at = line.find(wanted, at + 1)) {
        const auto end = at + wanted.size();
        const bool begins = at == 0 || around.contains(line[at - 1]);
        const bool ends = word.value || end == line.size() || around.contains(line[end]);
        if (begins && ends)
            return true;
    }
    return false;
}

bool isProxmoxBoot(const Sysfs& sysfs) {
    return sysfs.exists("/etc/kernel/proxmox-boot-uuids");
}

std::string grubCommand(const Sysfs& sysfs) {
    if (isProxmoxBoot(sysfs))
        return "proxmox-boot-tool refresh";
    if (sysfs.exists("/usr/sbin/update-grub"))
        return "update-grub";
    if (sysfs.exists("/usr/sbin/grub2-mkconfig"))
        return "grub2-mkconfig -o /boot/grub2/grub.cfg";
    if (sysfs.exists("/usr/bin/grub-mkconfig") || sysfs.exists("/usr/sbin/grub-mkconfig"))
        return "grub-mkconfig -o /boot/grub/grub.cfg";
    return "update-grub (or grub2-mkconfig)";
}

std::string kernelInstallCommand(const Sysfs& sysfs) {
    if (isProxmoxBoot(sysfs))
        return "proxmox-boot-tool refresh";
    if (sysfs.exists("/usr/bin/mkinitcpio"))
        return "mkinitcpio -P";
    return "kernel-install add \"$(uname -r)\" \"/lib/modules/$(uname -r)/vmlinuz\"";
}

std::string commandOf(const Sysfs& sysfs, Loader loader) {
    switch (loader) {
    case Loader::grub:
        return grubCommand(sysfs);
    case Loader::kernelInstall:
        return kernelInstallCommand(sysfs);
    case Loader::unifiedImage:
        return sysfs.exists("/usr/bin/mkinitcpio") ? "mkinitcpio -P" : "build the unified kernel image again";
    case Loader::dracut:
        return "dracut --force";
    case Loader::entries:
    case Loader::plain:
        return "reboot";
    }
    return {};
}

/// Distributions that keep the parameters themselves.
std::optional<std::string> ownCommand(const Sysfs& sysfs, const std::string& word) {
    if (sysfs.exists("/usr/bin/rpm-ostree") &&
        (sysfs.exists("/run/ostree-booted") || sysfs.exists("/ostree")))
        return "rpm-ostree kargs --delete=" + shellWord(word);
    if (sysfs.exists("/usr/sbin/grubby") || sysfs.exists("/sbin/grubby"))
        return "grubby --update-kernel=ALL --remove-args=" + shellWord(word);
    return std::nullopt;
}

} // namespace

std::string howToTakeOut(const Sysfs& sysfs, const KernelWord& word, const std::string& what) {
    if (const auto command = ownCommand(sysfs, word.text); command && what == "it")
        return *command;
    std::vector<std::string> places;
    std::vector<std::string> commands;
    for (const auto& file : bootFiles(sysfs)) {
        const auto content = sysfs.read(file.path, 1 << 20);
        if (!content)
            continue; // a hint only
        for (const auto& line : linesOf(file.path, *content)) {
            if (!hasParameter(line.text, word))
                continue;
            places.push_back(line.place.str());
            if (auto command = commandOf(sysfs, file.loader); !has(commands, command))
                commands.push_back(std::move(command));
        }
    }
    if (places.empty())
        return fmt::format("remove {} from the boot loader's configuration", what);
    return fmt::format("remove {} from {}, then {}", what, fmt::join(places, " and "),
                       fmt::join(commands, " and "));
}

} // namespace vfiobind::ctl
