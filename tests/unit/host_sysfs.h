// SPDX-License-Identifier: LGPL-2.1-or-later
/// The fake kernel as the guards' tests want it: with routes and addresses, and files that cannot be read.
#pragma once

#include "fake/kernel_seam.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <map>
#include <string>
#include <utility>

namespace vfiobind {

/// A message of rtnetlink(7) in the making.
class NetlinkMessage {
public:
    template <typename Header>
    NetlinkMessage(std::uint16_t type, const Header& header) {
        nlmsghdr outer{};
        outer.nlmsg_type = type;
        data_.append(reinterpret_cast<const char*>(&outer), sizeof outer);
        data_.append(reinterpret_cast<const char*>(&header), sizeof header);
    }

    NetlinkMessage& with(unsigned type, std::string_view value) {
        data_ += attribute(type, value);
        return *this;
    }
    NetlinkMessage& with(unsigned type, std::uint32_t value) {
        return with(type, {reinterpret_cast<const char*>(&value), sizeof value});
    }

    std::string str() const {
        auto text = data_;
        const auto size = static_cast<std::uint32_t>(text.size());
        std::memcpy(text.data(), &size, sizeof size); // nlmsg_len is first
        return text;
    }

    static std::string attribute(unsigned type, std::string_view value) {
        rtattr header{};
        header.rta_type = static_cast<unsigned short>(type);
        header.rta_len = static_cast<unsigned short>(RTA_LENGTH(value.size()));
        std::string text(reinterpret_cast<const char*>(&header), sizeof header);
        text += value;
        text.resize(RTA_ALIGN(text.size()), '\0');
        return text;
    }

private:
    std::string data_;
};

/// The address's bytes in network order.
inline std::string addressBytes(const std::string& text) {
    const bool v6 = text.find(':') != std::string::npos;
    std::string bytes(v6 ? sizeof(in6_addr) : sizeof(in_addr), '\0');
    inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes.data());
    return bytes;
}

inline NetlinkMessage routeMessage(std::uint8_t family, std::uint8_t bits, std::uint32_t table,
                                   std::uint8_t type = RTN_UNICAST) {
    rtmsg header{};
    header.rtm_family = family;
    header.rtm_dst_len = bits;
    header.rtm_table = static_cast<unsigned char>(table > 255 ? RT_TABLE_COMPAT : table);
    header.rtm_type = type;
    NetlinkMessage message(RTM_NEWROUTE, header);
    return message.with(RTA_TABLE, table);
}

inline NetlinkMessage addressMessage(std::uint8_t family, unsigned interface, std::uint8_t bits,
                                     std::uint8_t scope, const std::string& address) {
    ifaddrmsg header{};
    header.ifa_family = family;
    header.ifa_index = interface;
    header.ifa_prefixlen = bits;
    header.ifa_scope = scope;
    NetlinkMessage message(RTM_NEWADDR, header);
    return message.with(IFA_ADDRESS, addressBytes(address));
}

class HostSysfs final : public KernelSeam {
public:
    using KernelSeam::KernelSeam;

    std::map<std::string, int> errors; ///< errno by path, for reads, lists and links of exactly this path
    std::map<std::pair<std::uint16_t, std::uint8_t>, std::string> dumps; ///< by request and family
    int dumpError = 0;

    SysResult<std::string> read(const std::string& path, std::size_t limit) const override {
        if (const int code = errorAt(path))
            return std::unexpected(SysError{"read", path, code});
        return kernel_.read(path, limit);
    }
    SysResult<std::vector<std::string>> list(const std::string& path) const override {
        if (const int code = errorAt(path))
            return std::unexpected(SysError{"list", path, code});
        return kernel_.list(path);
    }
    SysResult<std::string> link(const std::string& path) const override {
        if (const int code = errorAt(path))
            return std::unexpected(SysError{"readlink", path, code});
        return kernel_.link(path);
    }
    SysResult<std::optional<DeviceNumber>> node(const std::string& path) const override {
        if (const int code = errorAt(path))
            return std::unexpected(SysError{"stat", path, code});
        return kernel_.node(path);
    }
    SysResult<std::size_t> countedFolders(const std::string& path) const override {
        return kernel_.countedFolders(path);
    }
    SysResult<std::string> netlinkDump(std::uint16_t request, std::uint8_t family) const override {
        if (dumpError != 0)
            return std::unexpected(SysError{"dump", "rtnetlink", dumpError});
        const auto found = dumps.find({request, family});
        return found == dumps.end() ? std::string{} : found->second;
    }

private:
    int errorAt(const std::string& path) const {
        const auto found = errors.find(path);
        return found == errors.end() ? 0 : found->second;
    }
};

} // namespace vfiobind
