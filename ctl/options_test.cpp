// SPDX-License-Identifier: LGPL-2.1-or-later
#include "options.h"

#include "exit_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::ctl::options_test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Options parsed(const std::vector<std::string>& arguments) {
    const auto result = parseCommandLine(arguments);
    if (const auto* end = std::get_if<ParseEnd>(&result)) {
        ADD_FAILURE() << end->err << end->out;
        return {};
    }
    return std::get<Options>(result);
}

ParseEnd refused(const std::vector<std::string>& arguments) {
    const auto result = parseCommandLine(arguments);
    if (std::holds_alternative<Options>(result)) {
        ADD_FAILURE() << "was taken";
        return {};
    }
    return std::get<ParseEnd>(result);
}

TEST(CommandLine, StatusIsTheDefault) {
    EXPECT_EQ(parsed({}).command, Command::status);
    EXPECT_TRUE(parsed({"--json"}).json);
    EXPECT_TRUE(parsed({"--all"}).all);
    EXPECT_TRUE(parsed({"status", "-a"}).all);
}

TEST(CommandLine, BindTakesTheOptionsOfTheApi) {
    const Options options =
        parsed({"bind", "01:00.0", "--allow", "boot-display", "--allow", "console", "--driver", "vfio-pci",
                "--method", "new-id", "--persist", "--no-wait", "--json"});
    EXPECT_EQ(options.command, Command::bind);
    EXPECT_EQ(options.target, "01:00.0");
    EXPECT_THAT(options.allow, ElementsAre("boot-display", "console"));
    EXPECT_EQ(options.driver, "vfio-pci");
    EXPECT_EQ(options.method, "new-id");
    EXPECT_TRUE(options.persist && options.noWait && options.json);
}

TEST(CommandLine, ShowWithoutATargetIsAboutAll) {
    EXPECT_EQ(parsed({"show"}).command, Command::show);
    EXPECT_EQ(parsed({"show"}).target, "");
}

TEST(CommandLine, AnUnknownCommandIsNamed) {
    EXPECT_THAT(refused({"bnd", "01:00.0"}).err,
                AllOf(HasSubstr("there is no command 'bnd'"), HasSubstr("status, show, bind")));
    EXPECT_EQ(refused({"bnd", "01:00.0"}).code, ExitCode::usage);
    EXPECT_THAT(refused({"--host", "box", "bnd"}).err, HasSubstr("'bnd'"));
    EXPECT_EQ(parsed({"--host", "bind", "show"}).command, Command::show);
}

TEST(CommandLine, RunTakesTargetsAndACommand) {
    const Options options = parsed({"--session", "run", "guest-gpu", "03:00.0", "--what", "VM win11",
                                    "--allow", "console", "--", "qemu", "--json", "--", "-H", "x"});
    EXPECT_EQ(options.command, Command::run);
    EXPECT_THAT(options.targets, ElementsAre("guest-gpu", "03:00.0"));
    EXPECT_THAT(options.words, ElementsAre("qemu", "--json", "--", "-H", "x"));
    EXPECT_EQ(options.what, "VM win11");
    EXPECT_THAT(options.allow, ElementsAre("console"));
    EXPECT_TRUE(options.session);
    EXPECT_FALSE(options.json);
}

TEST(CommandLine, RunEndsAsEnvDoesWhenItIsMisused) {
    const auto without = refused({"run", "guest-gpu"});
    EXPECT_EQ(without.code, ExitCode::notAcquired);
    EXPECT_THAT(without.err, HasSubstr("there is no command; it comes after the targets and two dashes"));
    EXPECT_EQ(refused({"run", "--", "true"}).code, ExitCode::notAcquired);
    EXPECT_THAT(refused({"run", "x", "--what", "a\nb", "--", "true"}).err, HasSubstr("control character"));
}

TEST(CommandLine, NoLeaseTravelsToAnotherMachine) {
    for (const auto& command : {std::vector<std::string>{"-H", "box", "run", "x", "--", "true"},
                                std::vector<std::string>{"hold", "x", "--host", "box"}})
        EXPECT_THAT(refused(command).err, HasSubstr("none travels to another machine"));
}

TEST(CommandLine, HoldTakesTargets) {
    const Options options = parsed({"hold", "guest-gpu", "--what", "VM"});
    EXPECT_EQ(options.command, Command::hold);
    EXPECT_THAT(options.targets, ElementsAre("guest-gpu"));
    EXPECT_EQ(refused({"hold"}).code, ExitCode::usage);
}

TEST(CommandLine, TwoDashesMeanNothingToOtherCommands) {
    EXPECT_EQ(parsed({"show", "--", "guest-gpu"}).target, "guest-gpu");
}

TEST(CommandLine, ExportWantsToKnowForWhat) {
    const Options options = parsed({"export", "--for", "cloud-hypervisor", "guest-gpu", "--json"});
    EXPECT_EQ(options.command, Command::exportGroups);
    EXPECT_EQ(options.target, "guest-gpu");
    EXPECT_EQ(options.exportFor, "cloud-hypervisor");
    EXPECT_TRUE(options.json);
    EXPECT_FALSE(options.iommufd);
    EXPECT_TRUE(parsed({"export", "--for", "qemu", "--iommufd", "guest-gpu"}).iommufd);
    EXPECT_THAT(refused({"export", "guest-gpu"}).err, HasSubstr("--for"));
    EXPECT_THAT(refused({"export", "--for", "qemu"}).err, HasSubstr("TARGET"));
    EXPECT_THAT(refused({"export", "x", "--for", "virtualbox"}).err,
                AllOf(HasSubstr("'virtualbox' is not known"), HasSubstr("qemu, libvirt, cloud-hypervisor")));
}

TEST(CommandLine, AnAllowedCodeDoesNotSwallowTheTarget) {
    const Options options = parsed({"bind", "--allow", "console", "guest-gpu"});
    EXPECT_THAT(options.allow, ElementsAre("console"));
    EXPECT_EQ(options.target, "guest-gpu");
}

TEST(CommandLine, TargetsThatBeginWithAColonArePositional) {
    EXPECT_EQ(parsed({"check", "::0300"}).target, "::0300");
    EXPECT_EQ(parsed({"check", ":::02"}).target, ":::02");
}

TEST(CommandLine, GlobalOptionsStandBeforeOrAfterTheCommand) {
    EXPECT_TRUE(parsed({"--session", "reload"}).session);
    EXPECT_TRUE(parsed({"reload", "--session"}).session);
    EXPECT_THAT(parsed({"show", "x", "--host", "root@box"}).hosts, ElementsAre("root@box"));
    EXPECT_THAT(parsed({"status", "-H", "a", "--host", "b"}).hosts, ElementsAre("a", "b"));
    EXPECT_THAT(parsed({"-H", "a", "-H", "b"}).hosts, ElementsAre("a", "b"));
    EXPECT_THAT(refused({"bind", "x", "-H", "a", "-H", "b"}).err, HasSubstr("only status asks several"));
}

TEST(CommandLine, WrongOnesEndWithUsage) {
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"bind"},
                                               {"frobnicate"},
                                               {"bind", "a", "b"},
                                               {"status", "--driver", "x"},
                                               {"release", "a", "--driver", "x"},
                                               {"bind", "a", "--method", "magic"},
                                               {"bind", "a", "--all"},
                                               {"--all", "reload"},
                                               {"check", "a", "--no-wait"},
                                               {"--session", "--host", "box"},
                                               {"status", "reload"}}) {
        const ParseEnd end = refused(arguments);
        EXPECT_EQ(end.code, ExitCode::usage);
        EXPECT_THAT(end.err, testing::StartsWith("vfio-bindctl: "));
        EXPECT_TRUE(end.out.empty());
    }
}

TEST(CommandLine, DoctorAndGroupsLookAtThisMachine) {
    EXPECT_EQ(parsed({"doctor"}).command, Command::doctor);
    EXPECT_EQ(parsed({"doctor", "--json", "01:00.0"}).target, "01:00.0");
    EXPECT_EQ(parsed({"groups"}).command, Command::groups);
    EXPECT_EQ(parsed({"metrics"}).command, Command::metrics);
    EXPECT_THAT(refused({"metrics", "--host", "a"}).err, HasSubstr("--host"));
    EXPECT_THAT(refused({"groups", "--host", "other"}).err, HasSubstr("which ask no daemon"));
    EXPECT_THAT(refused({"--session", "doctor"}).err, HasSubstr("which ask no daemon"));
    EXPECT_EQ(refused({"groups", "01:00.0"}).code, ExitCode::usage);
}

TEST(CommandLine, ImportLooksAtThisMachine) {
    const Options options =
        parsed({"import", "--from", "modprobe", "--from", "cmdline", "--write", "--root", "/"});
    EXPECT_EQ(options.command, Command::importOld);
    EXPECT_THAT(options.from, ElementsAre("modprobe", "cmdline"));
    EXPECT_TRUE(options.write);
    EXPECT_EQ(options.root, "/");
    EXPECT_TRUE(parsed({"import"}).from.empty());
    EXPECT_THAT(refused({"import", "--from", "grub"}).err, HasSubstr("sysconfig"));
    EXPECT_THAT(refused({"import", "--host", "other"}).err, HasSubstr("which ask no daemon"));
    EXPECT_EQ(refused({"import", "01:00.0"}).code, ExitCode::usage);
}

TEST(CommandLine, BlockerCodesAreChecked) {
    EXPECT_THAT(refused({"bind", "a", "--allow", "mountd"}).err, HasSubstr("there is no blocker 'mountd'"));
    EXPECT_THAT(refused({"bind", "a", "--allow", "mountd"}).err, HasSubstr("mounted"));
    EXPECT_THAT(refused({"bind", "a", "--allow", "no-iommu"}).err, HasSubstr("no-iommu cannot be allowed"));
    EXPECT_THAT(refused({"bind", "a", "--allow", "leased"}).err,
                HasSubstr("leased can be allowed by a release only"));
    EXPECT_THAT(parsed({"release", "a", "--allow", "leased"}).allow, ElementsAre("leased"));
}

TEST(CommandLine, VerifyAsksNoDaemon) {
    EXPECT_EQ(parsed({"verify"}).command, Command::verify);
    EXPECT_THAT(refused({"verify", "--host", "x"}).err, HasSubstr("verify, which ask no daemon"));
}

TEST(CommandLine, HelpAndVersionEndWell) {
    EXPECT_EQ(refused({"--help"}).code, ExitCode::done);
    EXPECT_THAT(refused({"bind", "--help"}).out, HasSubstr("--allow"));
    EXPECT_EQ(refused({"--version"}).out, "vfio-bindctl " VFIO_BIND_VERSION "\n");
    EXPECT_EQ(refused({"--json", "--version"}).out, "vfio-bindctl " VFIO_BIND_VERSION "\n");
    const std::string help = refused({"--help"}).out;
    EXPECT_EQ(help.find("complete-targets"), std::string::npos);
    for (const char* command : {"status", "show", "bind", "release", "check", "run", "hold", "reload",
                                "watch", "export", "doctor", "groups", "metrics", "import", "verify"})
        EXPECT_THAT(help, HasSubstr(std::string("\n  ") + command + " ")) << command;
}

TEST(ExitCodes, FollowTheErrorNames) {
    for (const char* name : {"Blocked", "NotViable", "InUse", "DriverMissing"})
        EXPECT_EQ(exitCodeFor(std::string("org.vfiobind1.Error.") + name), ExitCode::blocked) << name;
    for (const char* name :
         {"NoSuchDevice", "NoSuchGroup", "NoSuchRule", "Busy", "KernelRefused", "ConfigInvalid", "ReadOnly"})
        EXPECT_EQ(exitCodeFor(std::string("org.vfiobind1.Error.") + name), ExitCode::failed) << name;
    EXPECT_EQ(exitCodeFor("org.vfiobind1.Error.InvalidArgument"), ExitCode::usage);
    EXPECT_EQ(exitCodeFor("org.freedesktop.DBus.Error.AccessDenied"), ExitCode::failed);
    for (const char* name : {"ServiceUnknown", "NoReply", "NoServer", "Disconnected", "Spawn.ChildExited"})
        EXPECT_EQ(exitCodeFor(std::string("org.freedesktop.DBus.Error.") + name), ExitCode::noDaemon) << name;
    EXPECT_EQ(exitCodeFor("org.freedesktop.systemd1.NoSuchUnit"), ExitCode::noDaemon);
}

} // namespace
} // namespace vfiobind::ctl::options_test
