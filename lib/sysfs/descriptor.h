// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace vfiobind {

/// An open file, or another descriptor, that closes itself.
class Descriptor {
public:
    /// Takes over what is open already.
    explicit Descriptor(int fd) : fd_(fd) {}
    /// open(2). O_CLOEXEC is added to the flags. Whether it is open tells get(); if not, errno tells why.
    Descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC)) {}
    ~Descriptor() {
        if (fd_ >= 0)
            ::close(fd_);
    }
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

private:
    int fd_;
};

} // namespace vfiobind
