// What it is: see own_logs.h. Runs as: the spares' or the parsers' account. Trusts: the master, and httpd/logs.
#include "role/own_logs.h"

#include "httpd/log.h"
#include "httpd/logs.h"
#include "os/manifest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace itk2::role {
namespace {

Result put(int from, int number) {
    if (from == number) return success;
    const int flags = number <= STDERR_FILENO ? 0 : O_CLOEXEC;
    return dup3(from, number, flags) < 0 ? failed(Step::make_logs) : success;
}

// Where the lines go that are for a log which is not this process's: -1 is nowhere.
int place_of_others(bool is_error) {
    if (is_error) return STDERR_FILENO;
    for (const httpd::Log &log : httpd::logs())
        if (log.is_servers && !log.is_error && log.descriptor > STDERR_FILENO) return log.descriptor;
    return -1;
}

Result verify_same(int one, int other) {
    struct stat first {
    }, second{};
    if (fstat(one, &first) != 0 || fstat(other, &second) != 0) return failed(Step::make_logs);
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino ? success : refused(Step::make_logs);
}

} // namespace

Result hold_manifest(std::span<const int> kept) {
    GrowingArray<int> all;
    all.add(STDIN_FILENO);
    all.add_all(kept);
    for (const httpd::Log &log : httpd::logs()) all.add(log.descriptor);
    if (all.has_failed()) return refused(Step::close_descriptors, ENOMEM);
    if (const Result result = os::put_null(STDIN_FILENO); !result.ok()) return result;
    int unknown = -1;
    const Result result = os::hold_only({all.items(), httpd::has_map_programs()}, unknown);
    if (unknown >= 0) httpd::log(httpd::LogId::descriptor_unknown, static_cast<int>(getpid()), unknown);
    return result;
}

bool OwnLogs::has_been_given(int number) const {
    for (const int given : given_.items())
        if (given == number) return true;
    return false;
}

Result OwnLogs::take(wire::Received &received) {
    const auto message = wire::decode<wire::Logs>(received.view());
    if (message.count != received.descriptor_count) return refused(Step::protocol);
    for (std::size_t i = 0; i < received.descriptor_count; i++) {
        const int number = static_cast<int>(message.numbers[i]);
        if (const Result result = put(received.descriptors[i].get(), number); !result.ok()) return result;
        received.descriptors[i].reset();
        given_.add(number);
    }
    return given_.has_failed() ? refused(Step::make_logs, ENOMEM) : success;
}

Result OwnLogs::settle(IdentityKey identity) {
    for (const httpd::Log &log : httpd::logs()) {
        if (has_been_given(log.descriptor)) continue;
        if (log.owner == identity && identity != no_identity) continue;
        const int place = place_of_others(log.is_error);
        // The server's own logs are given to everybody whom several share them with.
        if (place == log.descriptor) return refused(Step::make_logs);
        Result result = place < 0 ? os::put_null(log.descriptor) : put(place, log.descriptor);
        if (result.ok() && place >= 0) result = verify_same(place, log.descriptor);
        if (!result.ok()) return result;
    }
    return success;
}

} // namespace itk2::role
