// SPDX-License-Identifier: LGPL-2.1-or-later
/// Between a transaction and the machine: writes down every write, and lets others come in between.
#pragma once

#include "sysfs/sysfs.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::twin {

/// Bytes that would break a line as `\n`, `\0`; long runs shortened.
std::string escaped(std::string_view data);
/// `write PATH <- DATA: ok`, or with the errno's name.
std::string writeLine(const std::string& path, std::string_view data, const SysResult<void>& result);
std::vector<std::string> linesOf(const std::string& text);

class Recorder final : public Sysfs {
public:
    /// The process is dead: thrown in the place of the write, and never caught by the library.
    struct CutOff {};

    Recorder(Sysfs& sysfs, std::function<void(const std::string&)> say) :
        sysfs_(sysfs), say_(std::move(say)) {}

    std::size_t interruptAt = SIZE_MAX; ///< before this write, 0 the first,
    std::function<void()> interruption; ///< this happens
    std::size_t cutOffAt = SIZE_MAX;    ///< this write is never made

    SysResult<void> write(const std::string& path, std::string_view data) override;
    SysResult<std::string> read(const std::string& path, std::size_t limit = 65536) const override {
        return sysfs_.read(path, limit);
    }
    SysResult<std::vector<std::string>> list(const std::string& path) const override {
        return sysfs_.list(path);
    }
    SysResult<std::string> link(const std::string& path) const override { return sysfs_.link(path); }
    SysResult<std::optional<DeviceNumber>> node(const std::string& path) const override {
        return sysfs_.node(path);
    }
    SysResult<void> openExclusively(const std::string& path, const DeviceNumber& number) const override {
        return sysfs_.openExclusively(path, number);
    }
    bool exists(const std::string& path) const override { return sysfs_.exists(path); }

    /// Equal lines in a row are told as one with their count; the last run is told here.
    void flush();

private:
    Sysfs& sysfs_;
    std::function<void(const std::string&)> say_;
    std::size_t count_ = 0;
    std::string line_;
    std::size_t times_ = 0;
};

} // namespace vfiobind::twin
