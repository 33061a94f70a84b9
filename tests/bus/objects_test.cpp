// SPDX-License-Identifier: LGPL-2.1-or-later
// What the objects show of a machine that nobody has touched yet.
#include "fixture.h"

#include "names/names.h"
#include "version.h"

#include <algorithm>
#include <fmt/format.h>
#include <regex>

namespace vfiobind::bustest::objects_test {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

using Signatures = std::map<std::string, std::string>;

const Signatures managerSignatures{{"Version", "s"},         {"Warnings", "as"},   {"Iommu", "s"},
                                   {"AbsentFiles", "a(ss)"}, {"NoIommu", "b"},     {"ConfigFiles", "as"},
                                   {"ConfigError", "s"},     {"Rules", "a(ssas)"}, {"Jobs", "ao"}};
const Signatures groupSignatures{
    {"Number", "u"},    {"State", "s"}, {"Viable", "b"},    {"Devices", "ao"},      {"Rule", "s"},
    {"Driver", "s"},    {"Node", "s"},  {"Type", "s"},      {"Blockers", "a(sss)"}, {"Holders", "a(us)"},
    {"LastError", "s"}, {"Job", "o"},   {"Leases", "a(ut)"}};
const Signatures deviceSignatures{
    {"Address", "s"},         {"Vendor", "q"},         {"Device", "q"},           {"SubsystemVendor", "q"},
    {"SubsystemDevice", "q"}, {"Class", "u"},          {"VendorName", "s"},       {"DeviceName", "s"},
    {"Driver", "s"},          {"DriverOverride", "s"}, {"NativeModules", "as"},   {"Group", "o"},
    {"BootVga", "b"},         {"ResetMethods", "as"},  {"NumaNode", "i"},         {"Path", "s"},
    {"Serial", "s"},          {"VfioDevice", "s"},     {"PhysicalFunction", "o"}, {"VirtualFunctions", "ao"}};
const Signatures jobSignatures{{"Id", "u"},    {"Kind", "s"},      {"Group", "o"},
                               {"State", "s"}, {"Steps", "a(ss)"}, {"Started", "t"}};

Signatures signaturesOf(const bus::PropertyMap& properties) {
    Signatures found;
    for (const auto& [name, value] : properties)
        found.emplace(name, signatureOf(value));
    return found;
}

std::string attribute(const std::string& tag, const std::string& name) {
    std::smatch found;
    return std::regex_search(tag, found, std::regex(" " + name + "=\"([^\"]*)\"")) ? found[1].str()
                                                                                   : std::string();
}

/// An interface's members in an introspection document, each with its arguments: `method Bind options a{sv}
/// in job o out`, `property State s read`, and `const` at the end of what never changes.
std::set<std::string> membersOf(const std::string& document, const std::string& interface) {
    const auto xml = std::regex_replace(document, std::regex("<!--[^]*?-->"), "");
    const auto begin = xml.find("<interface name=\"" + interface + "\">");
    if (begin == std::string::npos)
        return {};
    const auto body = xml.substr(begin, xml.find("</interface>", begin) - begin);
    const std::regex tag("<(method|signal|property|arg|annotation)( [^>]*)>");
    std::vector<std::string> members;
    for (std::sregex_iterator it(body.begin(), body.end(), tag), end; it != end; ++it) {
        const auto kind = (*it)[1].str();
        const auto tagged = (*it)[2].str();
        if (kind != "annotation" && kind != "arg")
            members.push_back(kind);
        if (kind != "annotation")
            for (const auto* name : {"name", "type", "direction", "access"})
                members.back() += ' ' + attribute(tagged, name);
        else if (attribute(tagged, "value") == "const")
            members.back() += " const";
    }
    return {members.begin(), members.end()};
}

class ObjectsTest : public BusTest {
protected:
    std::string introspect(const std::string& path) {
        std::string text;
        sdbus::createProxy(client().connection(), bus::BusName{bus::busName}, sdbus::ObjectPath{path})
            ->callMethod("Introspect")
            .onInterface("org.freedesktop.DBus.Introspectable")
            .storeResultsTo(text);
        return text;
    }
};

TEST_F(ObjectsTest, HaveTheMembersOfTheirXml) {
    start();
    for (const auto& [interface, path] : std::map<std::string, std::string>{
             {"Manager", bus::rootPath}, {"Group", groupPath(1)}, {"Device", devicePath(gpu)}}) {
        const auto name = "org.vfiobind1." + interface;
        const auto members = membersOf(introspect(path), name);
        EXPECT_EQ(members, membersOf(readFile(VFIO_BIND_SOURCE_DIR "/dbus/" + name + ".xml"), name));
        EXPECT_GT(members.size(), 10U);
    }
}

TEST_F(ObjectsTest, HaveOneNameEach) {
    start();
    for (const auto* name : {"group/99", "group/01", "group/x", "group/1x", "device/0000_01_00_7", "device/x",
                             "device/0_01_00_0", "device/01_00_0"}) {
        const auto path = fmt::format("{}/{}", bus::rootPath, name);
        EXPECT_EQ(refusalOf([&] { introspect(path); }).name, "org.freedesktop.DBus.Error.UnknownObject")
            << path;
    }
    EXPECT_THAT(introspect(std::string(bus::rootPath) + "/group"), testing::HasSubstr("<node name=\"1\"/>"));
}

TEST_F(ObjectsTest, HaveTheInterfacesAndTypesOfTheApi) {
    start();
    tell("hang-at unbind <- " + nic); // a job that stays, to be seen
    const auto jobs = client().bind(nic);
    ASSERT_EQ(jobs.size(), 1U);
    for (const auto& [path, interfaces] : client().manager().GetManagedObjects())
        for (const auto& [interface, properties] : interfaces) {
            if (interface == groupInterface)
                EXPECT_EQ(signaturesOf(properties), groupSignatures) << path;
            else if (interface == deviceInterface)
                EXPECT_EQ(signaturesOf(properties), deviceSignatures) << path;
            else if (interface == jobInterface)
                EXPECT_EQ(signaturesOf(properties), jobSignatures) << path;
            else
                EXPECT_TRUE(interface.starts_with("org.freedesktop.DBus.")) << path << ' ' << interface;
        }
    EXPECT_EQ(signaturesOf(client().manager().GetAll(bus::InterfaceName{managerInterface})),
              managerSignatures);
    settle();
    tell("finish-hang");
    EXPECT_EQ(client().resultOf(jobs.front()), "done");
}

TEST_F(ObjectsTest, AreOneForEachDeviceAndGroup) {
    start();
    std::set<std::string> paths;
    for (const auto& [path, interfaces] : client().objects())
        paths.insert(path);
    std::set<std::string> expected{bus::rootPath};
    for (const unsigned group : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U})
        expected.insert(groupPath(group));
    for (const auto* address :
         {"0000:00:00.0", "0000:00:01.0", "0000:00:02.0", "0000:00:03.0", "0000:00:04.0", "0000:00:05.0",
          "0000:00:19.0", "0000:01:00.0", "0000:01:00.1", "0000:02:00.0", "0000:03:00.0"})
        expected.insert(devicePath(address));
    EXPECT_EQ(paths, expected);
}

TEST_F(ObjectsTest, ShowADevice) {
    start();
    const Names names;
    const Ids ids{.vendor = 0x10de,
                  .device = 0x1284,
                  .subsystemVendor = 0x1043,
                  .subsystemDevice = 0x8465,
                  .classCode = 0x030000};
    const std::map<std::string, json> expected{{"Address", gpu},
                                               {"Vendor", 0x10de},
                                               {"Device", 0x1284},
                                               {"SubsystemVendor", 0x1043},
                                               {"SubsystemDevice", 0x8465},
                                               {"Class", 0x030000},
                                               {"VendorName", names.vendor(ids)},
                                               {"DeviceName", names.device(ids)},
                                               {"Driver", "nouveau"},
                                               {"DriverOverride", ""},
                                               {"NativeModules", {"nouveau"}},
                                               {"Group", groupPath(1)},
                                               {"BootVga", false},
                                               {"ResetMethods", {"flr", "bus"}},
                                               {"NumaNode", 0},
                                               {"Path", "0000:00/01.0/00.0"},
                                               {"Serial", ""},
                                               {"VfioDevice", ""},
                                               {"PhysicalFunction", "/"},
                                               {"VirtualFunctions", json::array()}};
    EXPECT_EQ(client().objects().at(devicePath(gpu)).at(deviceInterface), expected);
    EXPECT_EQ(client().device("0000:00:19.0", "Group"), "/");
    EXPECT_EQ(client().device("0000:00:19.0", "Driver"), "");
    EXPECT_EQ(client().device("0000:00:19.0", "NumaNode"), -1);
}

TEST_F(ObjectsTest, ShowAGroup) {
    start();
    const std::map<std::string, json> expected{{"Number", 1},
                                               {"State", "native"},
                                               {"Viable", false},
                                               {"Devices", {devicePath(gpu), devicePath(audio)}},
                                               {"Rule", ""},
                                               {"Driver", ""},
                                               {"Node", ""},
                                               {"Type", "DMA-FQ"},
                                               {"Blockers", json::array()},
                                               {"Holders", json::array()},
                                               {"LastError", ""},
                                               {"Job", "/"},
                                               {"Leases", json::array()}};
    EXPECT_EQ(client().objects().at(groupPath(1)).at(groupInterface), expected);
    EXPECT_EQ(client().group(0, "Viable"), true) << "pcieport leaves its group viable";
    EXPECT_EQ(client().group(6, "Viable"), true) << "a device without a driver does too";
}

TEST_F(ObjectsTest, ShowTheDaemon) {
    configure("[[bind]]\nname = \"later\"\ndevices = [\"10de:ffff\", { address = \"01:00.0\", id = "
              "\"10de:1284\" }]\n"
              "driver = \"vfio-pci\"\n");
    auto machine = standardMachine();
    machine["iommu"] = {"ivhd0"};
    start(machine);
    const auto root = client().objects().at(bus::rootPath).at(managerInterface);
    EXPECT_EQ(root.at("Version"), VFIO_BIND_VERSION);
    EXPECT_EQ(root.at("Iommu"), "amd");
    EXPECT_EQ(root.at("NoIommu"), false);
    EXPECT_EQ(root.at("ConfigFiles"), json::array({configFile()}));
    EXPECT_EQ(root.at("ConfigError"), "");
    EXPECT_EQ(root.at("Jobs"), json::array());
    ASSERT_EQ(root.at("Rules").size(), 1U);
    EXPECT_EQ(root.at("Rules")[0][0], "later");
    EXPECT_EQ(root.at("Rules")[0][1], "vfio-pci");
    EXPECT_EQ(root.at("Rules")[0][2].size(), 2U);
    EXPECT_EQ(root.at("Rules")[0][2][0], "10de:ffff");
}

/// The parameter comes with the module, and that with the first bind.
TEST_F(ObjectsTest, ShowThatDevicesAreNotIsolatedOnceTheModuleSaysSo) {
    auto machine = standardMachine();
    machine["vfio-pci"] = "unloaded";
    start(machine);
    tell("put /sys/module/vfio/parameters/enable_unsafe_noiommu_mode Y");
    settle();
    EXPECT_EQ(client().root("NoIommu"), false);
    client().bindAndWait(nic);
    settle();
    EXPECT_EQ(client().root("NoIommu"), true);
}

TEST_F(ObjectsTest, ShowVirtualFunctionsOfARealMachine) {
    startOnListing("skylake-server-sriov.json");
    const std::string pf = "0000:07:00.0";
    const auto vfs = client().device(pf, "VirtualFunctions");
    ASSERT_FALSE(vfs.empty());
    for (const auto& vf : vfs)
        EXPECT_EQ(client().property(vf.get<std::string>(), deviceInterface, "PhysicalFunction"),
                  devicePath(pf));
    EXPECT_EQ(client().device(pf, "PhysicalFunction"), "/");
}

/// Every listing of tests/topologies is shown: each of its devices once, each group with all of its members.
TEST_F(ObjectsTest, ShowARealMachineWhole) {
    startOnListing("haswell-b85-pci-bridge.json");
    const auto listing =
        json::parse(readFile(VFIO_BIND_SOURCE_DIR "/tests/topologies/haswell-b85-pci-bridge.json"));
    std::map<unsigned, std::set<std::string>> members;
    const auto objects = client().objects();
    for (const auto& entry : listing.at("devices")) {
        const auto path = devicePath(entry.at("address").get<std::string>());
        ASSERT_TRUE(objects.contains(path)) << path;
        const auto number = entry.at("group").get<unsigned>();
        members[number].insert(path);
        EXPECT_EQ(objects.at(path).at(deviceInterface).at("Group"), groupPath(number));
    }
    for (const auto& [number, paths] : members)
        EXPECT_EQ(objects.at(groupPath(number)).at(groupInterface).at("Devices").get<std::set<std::string>>(),
                  paths);
    EXPECT_EQ(objects.size(), listing.at("devices").size() + members.size() + 1);
}

std::set<std::string> keysOf(const json& object) {
    std::set<std::string> keys;
    for (const auto& [key, value] : object.items())
        keys.insert(key);
    return keys;
}

TEST_F(ObjectsTest, ADeviceShowsItsSerialNumber) {
    const std::string serial = "00-11-22-ff-fe-33-44-55";
    start();
    EXPECT_EQ(client().device(nic, "Serial"), "");
    tell("put /sys/bus/pci/devices/" + nic + "/serial_number " + serial);
    EXPECT_EQ(ctl({"bind", nic}).code, 0); // it is read again
    EXPECT_EQ(client().device(nic, "Serial"), serial);
    EXPECT_THAT(ctl({"show", nic}).out, testing::HasSubstr("    serial number  " + serial + "\n"));
    const auto shown = json::parse(ctl({"--json", "show", nic}).out);
    EXPECT_EQ(shown.at("devices")[0].at("serial"), serial);
}

TEST_F(ObjectsTest, AreDescribedInOneDocument) {
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n");
    start();
    const auto document = client().describe();
    EXPECT_THAT(keysOf(document),
                testing::IsSupersetOf({"version", "iommu", "no-iommu", "config-files", "absent-files",
                                       "config-error", "rules", "groups", "devices", "jobs"}));
    EXPECT_EQ(document.at("rules")[0].at("matches"), json::array({nic}));
    EXPECT_EQ(document.at("groups").size(), 9U);
    EXPECT_EQ(document.at("devices").size(), 11U);
    const auto group =
        *std::ranges::find_if(document.at("groups"), [](const json& g) { return g.at("number") == 3; });
    EXPECT_EQ(group.at("state"), "bound");
    EXPECT_EQ(group.at("rule"), "lan");
    EXPECT_EQ(group.at("driver"), "vfio-pci");
    EXPECT_EQ(group.at("node"), "/dev/vfio/3");
    EXPECT_EQ(group.at("devices"), json::array({nic}));
    const auto device =
        *std::ranges::find_if(document.at("devices"), [](const json& d) { return d.at("address") == nic; });
    EXPECT_EQ(device.at("vendor"), "8086");
    EXPECT_EQ(device.at("device"), "10d3");
    EXPECT_EQ(device.at("class"), "020000");
    EXPECT_EQ(device.at("driver"), "vfio-pci");
    EXPECT_EQ(device.at("driver-override"), "vfio-pci");
    EXPECT_EQ(device.at("group"), 3);
    EXPECT_EQ(device.at("vfio-device"), "/dev/vfio/devices/vfio0");
}

TEST_F(ObjectsTest, TellWhatATargetMeans) {
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n");
    start();
    const auto resolve = [this](const std::string& target) {
        const auto [groups, devices] = client().manager().Resolve(target);
        return std::pair(std::vector<std::string>(groups.begin(), groups.end()),
                         std::vector<std::string>(devices.begin(), devices.end()));
    };
    using Paths = std::vector<std::string>;
    EXPECT_EQ(resolve("lan"), std::pair(Paths{groupPath(3)}, Paths{devicePath(nic)}));
    EXPECT_EQ(resolve(gpu), std::pair(Paths{groupPath(1)}, Paths{devicePath(gpu)}));
    EXPECT_EQ(resolve("group/1").first, Paths{groupPath(1)});
    EXPECT_EQ(refusalOf([&] { resolve("lna"); }).name, "NoSuchRule");
    EXPECT_EQ(refusalOf([&] { resolve("0000:0f:00.0"); }).name, "NoSuchDevice");
    EXPECT_EQ(refusalOf([&] { resolve("group/"); }).name, "InvalidArgument");
    const auto overlong = refusalOf([&] { resolve(std::string(1 << 20, 'x')); });
    EXPECT_EQ(overlong.name, "InvalidArgument");
    EXPECT_THAT(overlong.message, testing::SizeIs(testing::Lt(200U))) << "it is not echoed";
}

} // namespace
} // namespace vfiobind::bustest::objects_test
