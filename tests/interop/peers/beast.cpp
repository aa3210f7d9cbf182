// SPDX-License-Identifier: MIT
// Boost.Beast, both roles, with blocking calls and a thread for each connection.
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <cstdlib>
#include <iostream>
#include <thread>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using secure = beast::ssl_stream<tcp::socket>;

template <class Stream> void configure(websocket::stream<Stream> &ws)
{
    websocket::permessage_deflate deflate;
    deflate.client_enable = deflate.server_enable = std::getenv("INTEROP_DEFLATE") != nullptr;
    ws.set_option(deflate);
    ws.read_message_max(1 << 21);
    ws.auto_fragment(false);
}

template <class Stream> void send_parts(websocket::stream<Stream> &ws, const std::string &text)
{
    ws.write_some(false, asio::buffer(text.data(), 20));
    ws.write_some(false, asio::buffer(text.data() + 20, 40001));
    ws.write_some(true, asio::buffer(text.data() + 40021, text.size() - 40021));
}

template <class Stream> void echo(websocket::stream<Stream> &ws, std::string protocol)
{
    unsigned long messages = 0, octets = 0;
    std::cout << "open " << protocol << std::endl;
    ws.control_callback([&](websocket::frame_type type, beast::string_view) {
        if (type == websocket::frame_type::pong) {
            ws.text(true);
            ws.write(asio::buffer("pong", 4));
        }
    });
    try {
        for (;;) {
            beast::flat_buffer buffer;
            ws.read(buffer);
            auto text = beast::buffers_to_string(buffer.data());
            messages++;
            octets += text.size();
            ws.text(ws.got_text());
            if (text == "!close")
                ws.close({ websocket::close_code::normal, "from the peer" });
            else if (text == "!ping")
                ws.ping("here");
            else if (ws.got_text() && text.compare(0, 6, "!parts") == 0)
                send_parts(ws, text);
            else
                ws.write(buffer.data());
        }
    } catch (const beast::system_error &error) {
        if (error.code() != websocket::error::closed && error.code() != asio::error::operation_aborted)
            std::cerr << error.what() << std::endl;
    }
    std::cout << "closed " << ws.reason().code << " " << messages << " " << octets << " " << ws.reason().reason
              << std::endl;
}

template <class Stream> void accept(websocket::stream<Stream> ws)
{
    beast::flat_buffer buffer;
    http::request<http::string_body> request;
    http::read(ws.next_layer(), buffer, request);
    std::string offered(request[http::field::sec_websocket_protocol]);
    std::string protocol = offered.find("interop.v1") != std::string::npos ? "interop.v1" : "";
    ws.set_option(websocket::stream_base::decorator([&](websocket::response_type &answer) {
        if (!protocol.empty())
            answer.set(http::field::sec_websocket_protocol, protocol);
    }));
    configure(ws);
    ws.accept(request);
    echo(ws, protocol);
}

static void serve_one(tcp::socket socket, asio::ssl::context *tls)
{
    try {
        if (tls == nullptr)
            return accept(websocket::stream<tcp::socket>(std::move(socket)));
        secure stream(std::move(socket), *tls);
        stream.handshake(asio::ssl::stream_base::server);
        accept(websocket::stream<secure>(std::move(stream)));
    } catch (const std::exception &error) {
        std::cerr << error.what() << std::endl;
    }
}

static int serve()
{
    asio::io_context io;
    asio::ssl::context tls(asio::ssl::context::tls_server);
    const char *cert = std::getenv("INTEROP_CERT");
    if (cert != nullptr) {
        tls.use_certificate_chain_file(cert);
        tls.use_private_key_file(std::getenv("INTEROP_KEY"), asio::ssl::context::pem);
    }
    tcp::acceptor acceptor(io, { asio::ip::make_address("127.0.0.1"), 0 });
    std::cout << "port " << acceptor.local_endpoint().port() << std::endl;
    for (;;)
        std::thread(serve_one, acceptor.accept(), cert != nullptr ? &tls : nullptr).detach();
}

template <class Stream> void visit(websocket::stream<Stream> &ws, const std::string &host)
{
    ws.set_option(websocket::stream_base::decorator([](websocket::request_type &request) {
        request.set(http::field::sec_websocket_protocol, "elsewhere.v1, interop.v1");
    }));
    configure(ws);
    websocket::response_type answer;
    ws.handshake(answer, host, "/echo");
    echo(ws, std::string(answer[http::field::sec_websocket_protocol]));
}

static int connect(const std::string &url)
{
    asio::io_context io;
    auto colon = url.rfind(':'), slash = url.rfind('/');
    unsigned short port = std::stoi(url.substr(colon + 1, slash - colon - 1));
    tcp::socket socket(io);
    socket.connect({ asio::ip::make_address("127.0.0.1"), port });
    std::string host = "127.0.0.1:" + std::to_string(port);
    const char *ca = std::getenv("INTEROP_CA");
    if (ca == nullptr) {
        websocket::stream<tcp::socket> ws(std::move(socket));
        visit(ws, host);
        return 0;
    }
    asio::ssl::context tls(asio::ssl::context::tls_client);
    tls.load_verify_file(ca);
    secure stream(std::move(socket), tls);
    stream.set_verify_mode(asio::ssl::verify_peer);
    stream.set_verify_callback(asio::ssl::host_name_verification("127.0.0.1"));
    stream.handshake(asio::ssl::stream_base::client);
    websocket::stream<secure> ws(std::move(stream));
    visit(ws, host);
    return 0;
}

int main(int argc, char **argv)
{
    return argc > 2 ? connect(argv[2]) : serve();
}
