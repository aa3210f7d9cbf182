// SPDX-License-Identifier: MIT
// Boost.Beast, asynchronous, on one thread: beast echo|fan PORT
#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <unordered_set>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using message = std::shared_ptr<const std::string>;

class session;
static std::unordered_set<session *> members;
static bool fan;

class session : public std::enable_shared_from_this<session>
{
    websocket::stream<beast::tcp_stream> ws;
    beast::flat_buffer buffer;
    std::deque<message> queue;

  public:
    explicit session(tcp::socket socket) : ws(std::move(socket))
    {
        websocket::permessage_deflate deflate;
        deflate.server_enable = std::getenv("BENCH_DEFLATE") != nullptr;
        deflate.server_no_context_takeover = deflate.client_no_context_takeover = true;
        deflate.compLevel = 1;
        ws.set_option(deflate);
        ws.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
        ws.auto_fragment(false);
        beast::get_lowest_layer(ws).socket().set_option(tcp::no_delay(true));
    }

    ~session()
    {
        members.erase(this);
    }

    void start()
    {
        ws.async_accept([self = shared_from_this()](beast::error_code error) {
            if (error)
                return;
            members.insert(self.get());
            self->read();
        });
    }

  private:
    void read()
    {
        ws.async_read(buffer, [self = shared_from_this()](beast::error_code error, std::size_t) {
            if (error)
                return;
            self->ws.text(self->ws.got_text());
            if (fan)
                self->to_all();
            else
                self->answer();
        });
    }

    // What came goes back from where it lies, and then the next is read.
    void answer()
    {
        ws.async_write(buffer.data(), [self = shared_from_this()](beast::error_code error, std::size_t) {
            self->buffer.clear();
            if (!error)
                self->read();
        });
    }

    void to_all()
    {
        auto shared = std::make_shared<const std::string>(beast::buffers_to_string(buffer.data()));
        buffer.clear();
        for (auto *member : members)
            member->send(shared);
        read();
    }

    void send(const message &shared)
    {
        queue.push_back(shared);
        if (queue.size() == 1)
            write();
    }

    void write()
    {
        ws.async_write(asio::buffer(*queue.front()), [self = shared_from_this()](beast::error_code error, std::size_t) {
            if (error)
                return;
            self->queue.pop_front();
            if (!self->queue.empty())
                self->write();
        });
    }
};

static void accept(tcp::acceptor &acceptor)
{
    acceptor.async_accept([&](beast::error_code error, tcp::socket socket) {
        if (!error)
            std::make_shared<session>(std::move(socket))->start();
        accept(acceptor);
    });
}

int main(int, char **argv)
{
    fan = std::string(argv[1]) == "fan";
    asio::io_context io(1);
    tcp::acceptor acceptor(io,
                           { asio::ip::make_address("127.0.0.1"), static_cast<unsigned short>(std::atoi(argv[2])) });
    accept(acceptor);
    io.run();
}
