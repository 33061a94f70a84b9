// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transaction/virtual_functions.h"

#include "sysfs/real_sysfs.h"
#include "sysfs/write_file.h"

#include <cerrno>
#include <charconv>
#include <fmt/format.h>
#include <unistd.h>

namespace vfiobind {
namespace {

using Result = std::expected<void, std::string>;

class Creation {
public:
    Creation(Sysfs& sysfs, const Address& physicalFunction, const VfOrder& order, AutoprobeFiles files,
             const VfHook& hook) :
        sysfs_(sysfs), pf_(physicalFunction), order_(order), files_(std::move(files)), hook_(hook) {}

    Result run() {
        if (auto restored = restoreLeftAutoprobe(); !restored)
            return restored;
        const auto existing = number("sriov_numvfs");
        if (existing && *existing == order_.count)
            return {};
        if (auto possible = mayBegin(existing); !possible)
            return possible;
        const auto autoprobe = sysfs_.read(path("sriov_drivers_autoprobe"), 8);
        if (!autoprobe)
            return std::unexpected(autoprobe.error().str());
        if (*autoprobe == "0")
            return create();
        if (auto saved = files_.save(pf_, *autoprobe); !saved)
            return std::unexpected(saved.error().str());
        Result result = write(path("sriov_drivers_autoprobe"), "0");
        if (result)
            result = create();
        if (auto restored = restoreAutoprobe(*autoprobe); !restored)
            return std::unexpected(result ? restored.error() : result.error() + "; " + restored.error());
        return result;
    }

private:
    std::string name() const { return pf_.str(); }
    std::string path(std::string_view file) const {
        return fmt::format("/sys/bus/pci/devices/{}/{}", name(), file);
    }

    std::optional<unsigned> number(std::string_view file) const {
        const auto text = sysfs_.read(path(file), 16);
        unsigned value = 0;
        if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{})
            return std::nullopt;
        return value;
    }

    Result mayBegin(std::optional<unsigned> existing) const {
        const auto most = number("sriov_totalvfs");
        if (!existing || !most)
            return std::unexpected(fmt::format(
                "{} has no SR-IOV, so {} cannot have its {} virtual functions; leave out sriov-vfs, "
                "or name a physical function",
                name(), order_.by, order_.count));
        if (*existing != 0)
            return std::unexpected(
                fmt::format("{} has {} virtual functions, and {} wants {}; another number "
                            "would take all of them away: write 0 "
                            "to {} when nothing uses them and reload, or set sriov-vfs = {}",
                            name(), *existing, order_.by, order_.count, path("sriov_numvfs"), *existing));
        if (order_.count > *most)
            return std::unexpected(fmt::format("{} can have at most {} virtual functions, and {} wants {}",
                                               name(), *most, order_.by, order_.count));
        if (!sysfs_.exists(path("driver")))
            return std::unexpected(
                fmt::format("{} has no driver, which must make its virtual functions; {} waits for one",
                            name(), order_.by));
        return {};
    }

    Result write(const std::string& file, const std::string& value) {
        const auto written = sysfs_.write(file, value);
        const auto slash = file.rfind('/');
        const auto device = file.rfind('/', slash - 1) + 1;
        hook_(fmt::format("{} {} {}", file.substr(slash + 1), file.substr(device, slash - device), value),
              written ? "done" : written.error().str());
        if (!written)
            return std::unexpected(written.error().str());
        return {};
    }

    /// They all exist when the write returns.
    Result create() {
        if (auto made = write(path("sriov_numvfs"), std::to_string(order_.count)); !made)
            return made;
        for (unsigned i = 0; i < order_.count; ++i) {
            const auto vf = sysfs_.link(path(fmt::format("virtfn{}", i)));
            Result result;
            if (!vf)
                result = std::unexpected(vf.error().str());
            else
                result = write(fmt::format("/sys/bus/pci/devices/{}/driver_override", baseName(*vf)),
                               order_.driver);
            if (result)
                continue;
            if (auto undone = write(path("sriov_numvfs"), "0"); !undone)
                return std::unexpected(fmt::format("{}; nor could they be taken away again: {}",
                                                   result.error(), undone.error()));
            return result;
        }
        return {};
    }

    Result restoreAutoprobe(const std::string& value) {
        if (auto written = write(path("sriov_drivers_autoprobe"), value); !written)
            return written;
        if (auto removed = files_.remove(pf_); !removed)
            return std::unexpected(removed.error().str());
        return {};
    }

    /// A worker was killed while it was off. Functions that it made and did not come to must not be a native
    /// driver's when it is on again.
    Result restoreLeftAutoprobe() {
        const auto left = files_.load(pf_);
        if (!left)
            return {};
        for (unsigned i = 0;; ++i) {
            const auto vf = sysfs_.link(path(fmt::format("virtfn{}", i)));
            if (!vf)
                break;
            const auto device = fmt::format("/sys/bus/pci/devices/{}", baseName(*vf));
            const auto held = sysfs_.read(device + "/driver_override", 256);
            if (held && (held->empty() || *held == "(null)") && !sysfs_.exists(device + "/driver"))
                if (auto set = write(device + "/driver_override", order_.driver); !set)
                    return set;
        }
        return restoreAutoprobe(*left);
    }

    Sysfs& sysfs_;
    const Address& pf_;
    const VfOrder& order_;
    AutoprobeFiles files_;
    const VfHook& hook_;
};

} // namespace

SysResult<void> AutoprobeFiles::save(const Address& physicalFunction, const std::string& value) {
    return writeFileAtomically(directory_ + '/' + physicalFunction.str(), value + '\n', 0600);
}

SysResult<void> AutoprobeFiles::remove(const Address& physicalFunction) {
    const auto path = directory_ + '/' + physicalFunction.str();
    if (unlink(path.c_str()) != 0 && errno != ENOENT)
        return std::unexpected(SysError{"unlink", path, errno});
    return {};
}

std::optional<std::string> AutoprobeFiles::load(const Address& physicalFunction) const {
    const auto text = RealSysfs().read(directory_ + '/' + physicalFunction.str(), 8);
    // Nothing else is ever kept there.
    return text && *text == "1" ? std::optional(*text) : std::nullopt;
}

std::expected<void, std::string> createVirtualFunctions(Sysfs& sysfs, const Address& physicalFunction,
                                                        const VfOrder& order, AutoprobeFiles files,
                                                        const VfHook& hook) {
    return Creation(sysfs, physicalFunction, order, std::move(files), hook).run();
}

} // namespace vfiobind
