// Claims about the listener when nobody keeps to any order: it goes on, and everything ends when it is to stop.
#include "cmocka_for_cxx.h"
#include "fake_master.h"

#include <sys/socket.h>

#include <csignal>
#include <iterator>
#include <optional>
#include <random>
#include <vector>

using namespace itk2;
using namespace itk2::testing;
using wire::Outcome;

namespace {

constexpr std::uint32_t identities = 3;
constexpr int steps = 4000;

struct Job {
    FakeWorker worker;
    std::uint32_t identity = 0;
    std::vector<Taken> held;
};

class Disorder {
  public:
    explicit Disorder(std::uint32_t seed) : random_(seed), master_(400) { reconfigure(); }

    void run() {
        for (int step = 0; step < steps; step++) one_step();
        master_.send(wire::Stop{});
        jobs_.clear();
        clients_.clear();
        master_.await_drained();
    }

  private:
    std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }

    void reconfigure() {
        Configuration configuration;
        configuration.sites = {{0, "a.example", 3, 30},
                               {1, "b.example", 0, 600'000},
                               {below(identities), "c.example"},
                               undecided_site("u.example", static_cast<plan::HintScope>(below(3)))};
        if (below(2) == 0) configuration.networks = {{{127}, 4, 8}};
        configuration.settings.head_timeout_ms = 30;
        configuration.settings.queue_timeout_ms = 20;
        configuration.settings.queue_limit = 5;
        configuration.settings.worker_idle_ms = 15;
        configuration.settings.linger_ms = 10;
        master_.configure(configuration);
    }

    void one_step() {
        const std::uint32_t dice = below(100);
        if (dice < 25) return start_client();
        if (dice < 45) return continue_client();
        if (dice < 55) return end_client();
        if (dice < 65) return start_worker();
        if (dice < 90) return work();
        if (dice < 94) return end_worker();
        if (dice < 96) return identify();
        if (dice < 97) return evict();
        if (dice < 98) return reconfigure();
        master_.await_sign_of_life();
    }

    void start_client() {
        if (clients_.size() > 100) return end_client();
        clients_.emplace_back(master_.port());
        say(clients_.back());
    }

    void say(const FakeClient &client) {
        static constexpr std::string_view sayings[] = {
            "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: c.example\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: u.example\r\n\r\n",
            "GET /x/y HTTP/1.1\r\nHost: u.example:80\r\n\r\n",
            "GET / HT",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.0\r\n\r\n",
            "\x16\x03\x01\x02",
            "\n",
            "",
        };
        const std::string_view saying = sayings[below(std::size(sayings))];
        // The listener may have closed it.
        (void)::send(client.socket.get(), saying.data(), saying.size(), MSG_NOSIGNAL);
    }

    void continue_client() {
        if (clients_.empty()) return;
        const FakeClient &client = clients_[below(static_cast<std::uint32_t>(clients_.size()))];
        if (below(8) == 0)
            (void)shutdown(client.socket.get(), SHUT_WR);
        else
            say(client);
    }

    void end_client() {
        if (clients_.empty()) return;
        clients_.erase(clients_.begin() + below(static_cast<std::uint32_t>(clients_.size())));
    }

    void start_worker() {
        if (jobs_.size() > 20) return end_worker();
        Job job;
        job.identity = below(3) == 0 ? undecided : below(identities);
        job.worker = master_.add_worker(job.identity);
        if (below(6) != 0) job.worker.serving();
        jobs_.push_back(std::move(job));
    }

    void end_worker() {
        if (jobs_.empty()) return;
        const std::uint32_t which = below(static_cast<std::uint32_t>(jobs_.size()));
        Job job = std::move(jobs_[which]);
        jobs_.erase(jobs_.begin() + which);
        if (below(2) == 0) job.worker.die();
        if (below(4) != 0) master_.gone(job.worker);
    }

    // Most of the time a parser, which has a connection or not.
    void identify() {
        if (jobs_.empty()) return;
        Job &job = jobs_[below(static_cast<std::uint32_t>(jobs_.size()))];
        if (job.identity != undecided && below(10) != 0) return;
        job.identity = below(identities + 2);
        master_.identify(job.worker, job.identity, static_cast<std::uint16_t>(below(4)));
    }

    // Takes what is there, and reports something about something.
    void work() {
        if (jobs_.empty()) return;
        Job &job = jobs_[below(static_cast<std::uint32_t>(jobs_.size()))];
        if (std::optional<Taken> taken = job.worker.take_if_there()) job.held.push_back(std::move(*taken));
        if (job.held.empty()) return;
        const std::uint32_t which = below(static_cast<std::uint32_t>(job.held.size()));
        Taken &taken = job.held[which];
        (void)recv(taken.socket.get(), nullptr, 1 << 16, MSG_TRUNC | MSG_DONTWAIT);
        const std::uint32_t dice = below(43);
        const Outcome outcome = dice < 15   ? Outcome::keep
                                : dice < 25 ? Outcome::close
                                : dice < 29 ? Outcome::park
                                : dice < 32 ? Outcome::send
                                : dice < 35 ? Outcome::resume
                                : dice < 39 ? Outcome::end
                                : dice < 42 ? Outcome::tend
                                            : static_cast<Outcome>(below(256));
        if (outcome == Outcome::close) (void)shutdown(taken.socket.get(), SHUT_WR);
        const std::uint16_t flag = below(20) == 0   ? wire::Report::last
                                   : below(20) == 0 ? wire::Report::misdirected
                                                    : std::uint16_t{0};
        job.worker.try_report(taken, outcome, flag);
        const bool stays = outcome == Outcome::park || outcome == Outcome::resume || outcome == Outcome::send ||
                           outcome == Outcome::tend;
        if (!stays) job.held.erase(job.held.begin() + which);
    }

    void evict() {
        wire::Evict message;
        message.for_identity = IdentityKey{below(identities)};
        master_.send(message);
    }

    std::mt19937 random_;
    FakeMaster master_;
    std::vector<FakeClient> clients_;
    std::vector<Job> jobs_;
};

void disorder_ends_in_order(void **) {
    for (std::uint32_t seed = 1; seed <= 5; seed++) Disorder(seed).run();
}

} // namespace

int main() {
    signal(SIGPIPE, SIG_IGN);
    const CMUnitTest tests[] = {
        cmocka_unit_test(disorder_ends_in_order),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
