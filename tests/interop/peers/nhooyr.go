// SPDX-License-Identifier: MIT
// Go's nhooyr.io/websocket, both roles.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"nhooyr.io/websocket"
)

var always = context.Background()

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Each Write is a frame.
func parts(c *websocket.Conn, data []byte) {
	w, err := c.Writer(always, websocket.MessageText)
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
	c.SetReadLimit(1 << 21)
	for {
		kind, data, err := c.Read(always)
		if err != nil {
			var e websocket.CloseError
			if !errors.As(err, &e) {
				e = websocket.CloseError{Code: 1006, Reason: err.Error()}
			}
			fmt.Println("closed", int(e.Code), messages, octets, e.Reason)
			return
		}
		messages++
		octets += len(data)
		switch text := string(data); {
		case text == "!close":
			// Its Close waits for the answer, and is an error unless that has the same code.
			code := 1000
			if err := c.Close(websocket.StatusNormalClosure, "from the peer"); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1006
			}
			fmt.Println("closed", code, messages, octets)
			return
		case text == "!ping":
			// The pong is seen by a reader, so this goes on beside it.
			go func() {
				check(c.Ping(always))
				check(c.Write(always, websocket.MessageText, []byte("pong")))
			}()
		case kind == websocket.MessageText && strings.HasPrefix(text, "!parts"):
			parts(c, data)
		default:
			check(c.Write(always, kind, data))
		}
	}
}

func compression() websocket.CompressionMode {
	if os.Getenv("INTEROP_DEFLATE") != "" {
		return websocket.CompressionContextTakeover
	}
	return websocket.CompressionDisabled
}

func serve() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"interop.v1"},
			CompressionMode: compression(), CompressionThreshold: 1})
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
	options := &websocket.DialOptions{Subprotocols: []string{"elsewhere.v1", "interop.v1"},
		CompressionMode: compression(), CompressionThreshold: 1}
	if file := os.Getenv("INTEROP_CA"); file != "" {
		pem, err := os.ReadFile(file)
		check(err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		options.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	}
	c, _, err := websocket.Dial(always, os.Args[2], options)
	check(err)
	echo(c)
}
