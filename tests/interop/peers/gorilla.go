// SPDX-License-Identifier: MIT
// Go's gorilla/websocket, both roles.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A writer that is flushed by itself: three frames.
func parts(c *websocket.Conn, data []byte) {
	w, err := c.NextWriter(websocket.TextMessage)
	check(err)
	for _, part := range [][]byte{data[:20], data[20:40001], data[40001:]} {
		_, err = w.Write(part)
		check(err)
	}
	check(w.Close())
}

func echo(c *websocket.Conn) {
	messages, octets := 0, 0
	fmt.Println("open", c.Subprotocol())
	c.SetPongHandler(func(string) error { return c.WriteMessage(websocket.TextMessage, []byte("pong")) })
	for {
		kind, data, err := c.ReadMessage()
		if err != nil {
			code, reason := 1006, err.Error()
			if e, ok := err.(*websocket.CloseError); ok {
				code, reason = e.Code, e.Text
			}
			fmt.Println("closed", code, messages, octets, reason)
			c.Close()
			return
		}
		messages++
		octets += len(data)
		switch text := string(data); {
		case text == "!close":
			bye := websocket.FormatCloseMessage(1000, "from the peer")
			check(c.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Minute)))
		case text == "!ping":
			check(c.WriteControl(websocket.PingMessage, []byte("here"), time.Now().Add(time.Minute)))
		case kind == websocket.TextMessage && strings.HasPrefix(text, "!parts"):
			parts(c, data)
		default:
			check(c.WriteMessage(kind, data))
		}
	}
}

func serve() {
	upgrader := websocket.Upgrader{Subprotocols: []string{"interop.v1"}, EnableCompression: os.Getenv("INTEROP_DEFLATE") != ""}
	handler := func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err == nil {
			echo(c)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	if cert := os.Getenv("INTEROP_CERT"); cert != "" {
		check(http.ServeTLS(listener, http.HandlerFunc(handler), cert, os.Getenv("INTEROP_KEY")))
	}
	check(http.Serve(listener, http.HandlerFunc(handler)))
}

func main() {
	if os.Args[1] == "server" {
		serve()
	}
	dialer := websocket.Dialer{Subprotocols: []string{"elsewhere.v1", "interop.v1"},
		EnableCompression: os.Getenv("INTEROP_DEFLATE") != ""}
	if file := os.Getenv("INTEROP_CA"); file != "" {
		pem, err := os.ReadFile(file)
		check(err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		dialer.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	c, _, err := dialer.Dial(os.Args[2], nil)
	check(err)
	echo(c)
}
