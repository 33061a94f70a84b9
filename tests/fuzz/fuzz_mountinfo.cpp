// SPDX-License-Identifier: LGPL-2.1-or-later
// What processes of other users can have the kernel show of them: their mounts, and with them swap files.
#include "guard/mounts.h"
#include "must.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

namespace {

using namespace vfiobind;
using fuzz::must;

/// One file under every name that is asked for; no processes.
class OneFile final : public Sysfs {
public:
    explicit OneFile(std::string text) : text_(std::move(text)) {}
    SysResult<std::string> read(const std::string&, std::size_t limit) const override {
        return text_.substr(0, limit);
    }
    SysResult<void> write(const std::string& path, std::string_view) override {
        return absent("write", path);
    }
    SysResult<std::vector<std::string>> list(const std::string& path) const override {
        return absent("list", path);
    }
    SysResult<std::string> link(const std::string& path) const override { return absent("readlink", path); }
    SysResult<std::optional<DeviceNumber>> node(const std::string& path) const override {
        return absent("stat", path);
    }
    SysResult<void> openExclusively(const std::string& path, const DeviceNumber&) const override {
        return absent("open", path);
    }
    bool exists(const std::string&) const override { return false; }

private:
    static std::unexpected<SysError> absent(const char* operation, const std::string& path) {
        return std::unexpected(SysError{operation, path, ENOENT});
    }
    std::string text_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const OneFile files(std::string(reinterpret_cast<const char*>(data), size));
    Programs programs(files);
    const auto mounts = readMounts(programs);
    for (const auto& error : mounts.unreadable)
        fuzz::mustBeSentence(error.str());
    must(mounts.all.empty() || mounts.unreadable.empty(), "what is not understood is not half believed");
    for (const auto& mount : mounts.all) {
        must(mount.number.find(' ') == std::string::npos, "a number is one word", mount.number);
        must(mount.process.empty(), "there are the host's mounts only", mount.process);
        const auto* found = mountOf(mounts, mount.point);
        must(found != nullptr && (found->point == "/" || mount.point.starts_with(found->point)),
             "a mount point lies in a mount", mount.point);
    }
    (void)rootIsMounted(mounts);
    const auto swaps = readSwaps(files);
    must(swaps.has_value(), "what is no swap is left out");
    for (const auto& swap : *swaps)
        must(swap.path.starts_with('/'), "swap is a path", swap.path);
    return 0;
}
