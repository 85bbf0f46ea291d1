// A server in Go that closes idle connections after 5 ms: `go run server.go PORT`.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	answer := func(response http.ResponseWriter, request *http.Request) {
		io.Copy(io.Discard, request.Body)
		io.WriteString(response, "hello")
	}
	server := http.Server{
		Addr:        "127.0.0.1:" + os.Args[1],
		Handler:     http.HandlerFunc(answer),
		IdleTimeout: 5 * time.Millisecond,
	}
	log.Fatal(server.ListenAndServe())
}
