// Command example classifies or trains on a server.
//
//	example classify HOST:PORT deploy.prototxt weights.caffemodel image.png
//	  prepares an image as the net's record says; prints the outputs
//	example train HOST:PORT solver.prototxt ITERATIONS
//	  trains a solver whose net needs no files; prints the losses
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	caffe "caffe-sdk/client"
	"caffe-sdk/client/v1"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 5 {
		log.Fatal("usage: example classify|train HOST:PORT ...")
	}
	server, err := caffe.Connect(os.Args[2], caffe.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if os.Args[1] == "classify" && len(os.Args) == 6 {
		err = classify(server, os.Args[3], os.Args[4], os.Args[5])
	} else {
		err = train(server, os.Args[3], os.Args[4])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func classify(server *caffe.Client, model, weights, picture string) error {
	ctx := context.Background()
	prototxt, err := os.ReadFile(model)
	if err != nil {
		return err
	}
	caffemodel, err := os.ReadFile(weights)
	if err != nil {
		return err
	}
	image, err := os.ReadFile(picture)
	if err != nil {
		return err
	}
	net, err := server.Net(ctx, string(prototxt), caffe.NetOptions{Weights: caffemodel})
	if err != nil {
		return err
	}
	defer net.Release(ctx)
	outputs, err := net.Predict(ctx, [][]byte{image})
	for name, output := range outputs {
		fmt.Println(name, strings.Trim(fmt.Sprint(output.Data), "[]"))
	}
	return err
}

func train(server *caffe.Client, model, iterations string) error {
	ctx := context.Background()
	prototxt, err := os.ReadFile(model)
	if err != nil {
		return err
	}
	count, err := strconv.ParseInt(iterations, 10, 64)
	if err != nil {
		return err
	}
	solver, err := server.Solver(ctx, string(prototxt))
	if err != nil {
		return err
	}
	defer solver.Release(ctx)
	return solver.Step(ctx, count, func(event *v1.Event) bool {
		if iteration := event.GetIteration(); iteration != nil {
			fmt.Println(iteration.Loss)
		}
		return true
	})
}
