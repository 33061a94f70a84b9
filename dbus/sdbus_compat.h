// SPDX-License-Identifier: LGPL-2.1-or-later
/// The one place that knows both sdbus-c++ 1.2 (Debian 12) and 2.x (Debian 13, Fedora, Arch).
///
/// Version 2 gave D-Bus names types of their own, which derive from std::string; version 1 has plain strings.
/// What is the same in both (ObjectPath, Variant with get<T>(), Struct, Result, registerAdaptor(),
/// registerProxy(), the generated classes) is used as it is. Write names as `bus::BusName{"..."}`, override
/// handlers with the types below, and construct a Variant explicitly: then the code is right for both.
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <systemd/sd-bus.h>
#include <utility>
#include <vector>

#ifndef VFIO_BIND_SDBUS_MAJOR
#error "link vfiobind-adaptors or vfiobind-proxies: they tell the major version of sdbus-c++"
#endif

namespace vfiobind::bus {

inline constexpr const char* busName = "org.vfiobind1";
inline constexpr const char* rootPath = "/org/vfiobind1";
inline constexpr const char* errorPrefix = "org.vfiobind1.Error.";

#if VFIO_BIND_SDBUS_MAJOR >= 2
using BusName = sdbus::ServiceName;
using InterfaceName = sdbus::InterfaceName;
using MethodName = sdbus::MethodName;
using PropertyName = sdbus::PropertyName;
using ErrorName = sdbus::Error::Name;
/// What a handler of an asynchronous reply gets; test it as a bool, then use `->`.
using AsyncError = std::optional<sdbus::Error>;
#else
using BusName = std::string;
using InterfaceName = std::string;
using MethodName = std::string;
using PropertyName = std::string;
using ErrorName = std::string;
/// What a handler of an asynchronous reply gets; test it as a bool, then use `->`.
using AsyncError = const sdbus::Error*;
#endif

/// The properties of one interface, as in PropertiesChanged.
using PropertyMap = std::map<PropertyName, sdbus::Variant>;
/// The interfaces of one object, as in InterfacesAdded.
using InterfaceMap = std::map<InterfaceName, PropertyMap>;
/// What GetManagedObjects gives.
using ManagedObjects = std::map<sdbus::ObjectPath, InterfaceMap>;

/// An error with a full D-Bus name (`org.vfiobind1.Error.Busy`).
inline sdbus::Error makeError(std::string_view name, std::string_view message) {
    return sdbus::Error(ErrorName{std::string(name)}, std::string(message));
}

/// Opens the system bus, or the one that DBUS_SYSTEM_BUS_ADDRESS names. Throws sdbus::Error.
inline std::unique_ptr<sdbus::IConnection> openSystemBus() {
    return sdbus::createSystemBusConnection();
}

/// Opens the session bus, or the one that DBUS_SESSION_BUS_ADDRESS names. Throws sdbus::Error.
inline std::unique_ptr<sdbus::IConnection> openSessionBus() {
    return sdbus::createSessionBusConnection();
}

/// Handles one message or event that is waiting; whether there was one.
inline bool processPending(sdbus::IConnection& connection) {
#if VFIO_BIND_SDBUS_MAJOR >= 2
    return connection.processPendingEvent();
#else
    return connection.processPendingRequest();
#endif
}

/// What to wait for with poll(2) before the next processPending().
struct PollRequest {
    std::array<pollfd, 2> fds; ///< the second has fd -1, which poll(2) skips, with version 1
    int timeout;               ///< milliseconds, -1 for no limit
};

inline PollRequest pollRequest(const sdbus::IConnection& connection) {
    const auto data = connection.getEventLoopPollData();
#if VFIO_BIND_SDBUS_MAJOR >= 2
    const int eventFd = data.eventFd;
#else
    const int eventFd = -1;
#endif
    return {{{{data.fd, data.events, 0}, {eventFd, POLLIN, 0}}}, data.getPollTimeout()};
}

/// When processPending() is due though nothing came, in microseconds of CLOCK_MONOTONIC; none for never.
inline std::optional<std::uint64_t> deadlineOf(const sdbus::IConnection::PollData& data) {
#if VFIO_BIND_SDBUS_MAJOR >= 2
    if (data.timeout == std::chrono::microseconds::max())
        return std::nullopt;
    return static_cast<std::uint64_t>(data.timeout.count());
#else
    return data.timeout_usec == UINT64_MAX ? std::nullopt : std::optional(data.timeout_usec);
#endif
}

/// Calls `handler(sdbus::Message&)` for each message that the match rule of the D-Bus specification fits, as
/// long as the slot lives. Throws sdbus::Error.
template <typename Handler>
[[nodiscard]] sdbus::Slot addMatch(sdbus::IConnection& connection, const std::string& rule, Handler handler) {
#if VFIO_BIND_SDBUS_MAJOR >= 2
    return connection.addMatch(
        rule, [handler = std::move(handler)](sdbus::Message message) { handler(message); },
        sdbus::return_slot);
#else
    return connection.addMatch(rule,
                               [handler = std::move(handler)](sdbus::Message& message) { handler(message); });
#endif
}

/// The message of sd-bus(3) inside one of sdbus-c++, for what the wrapper leaves out.
inline sd_bus_message* rawMessage(const sdbus::Message& message) {
    struct Access : sdbus::Message {
        static void* of(const sdbus::Message& message) { return message.*(&Access::msg_); }
    };
    return static_cast<sd_bus_message*>(Access::of(message));
}

/// The connection of sd-bus(3) inside one of sdbus-c++, for what the wrapper leaves out. It is that of any
/// message made for it.
inline sd_bus* rawBus(sdbus::IConnection& connection) {
    const auto proxy = sdbus::createProxy(connection, BusName{"org.freedesktop.DBus"},
                                          sdbus::ObjectPath{"/org/freedesktop/DBus"});
    const auto unsent = proxy->createMethodCall(InterfaceName{"org.freedesktop.DBus"}, MethodName{"GetId"});
    return sd_bus_message_get_bus(rawMessage(unsent));
}

/// The call that the object is just handling. Throws std::logic_error when it is handling none.
inline sd_bus_message* currentCall(const sdbus::IObject& object) {
#if VFIO_BIND_SDBUS_MAJOR >= 2
    const auto message = object.getCurrentlyProcessedMessage();
    sd_bus_message* const raw = message.isValid() ? rawMessage(message) : nullptr;
#else
    const auto* const message = object.getCurrentlyProcessedMessage();
    sd_bus_message* const raw = message != nullptr ? rawMessage(*message) : nullptr;
#endif
    if (raw == nullptr)
        throw std::logic_error("no call is being handled");
    return raw;
}

/// Calls a method of the daemon and lets it ask the caller's user for an authorisation, which generated
/// proxies cannot. Waits at most `timeout`, in microseconds. Throws sdbus::Error.
template <typename... Arguments>
sdbus::MethodReply callInteractively(sdbus::IConnection& connection, const std::string& path,
                                     const std::string& interface, const std::string& method,
                                     std::uint64_t timeout, const Arguments&... arguments) {
    const auto proxy = sdbus::createProxy(connection, BusName{busName}, sdbus::ObjectPath{path});
    auto call = proxy->createMethodCall(InterfaceName{interface}, MethodName{method});
    static_cast<void>((call << ... << arguments));
    if (const int code = sd_bus_message_set_allow_interactive_authorization(rawMessage(call), 1); code < 0)
        throw sdbus::createError(-code, "cannot allow an authorisation to be asked for");
    return proxy->callMethod(call, timeout);
}

/// Version 1 subscribes to the signals of a proxy only with this; version 2 has done so at once.
inline void finishRegistration([[maybe_unused]] sdbus::IProxy& proxy) {
#if VFIO_BIND_SDBUS_MAJOR < 2
    proxy.finishRegistration();
#endif
}

/// Emits PropertiesChanged with the present values. Properties marked `const` in the XML must not be named.
inline void emitPropertiesChanged(sdbus::IObject& object, std::string_view interface,
                                  const std::vector<PropertyName>& names) {
    object.emitPropertiesChangedSignal(InterfaceName{std::string(interface)}, names);
}

} // namespace vfiobind::bus
