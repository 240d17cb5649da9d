// Command go_tlog checks and writes logs in C2SP's tlog-tiles layout with golang.org/x/mod/sumdb: code that shares
// nothing with this project. See README.md beside it.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// path is the tile's path in tlog-tiles, which leaves the height out and calls the data level entries.
func path(t tlog.Tile) string {
	p := strings.Replace(t.Path(), "tile/8/", "tile/", 1)
	return strings.Replace(p, "tile/data/", "tile/entries/", 1)
}

type folder string

func (f folder) Height() int                     { return height }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := os.ReadFile(filepath.Join(string(f), path(t)))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// open verifies a checkpoint's note, and reads its text.
func open(data []byte, key string) (string, tlog.Tree) {
	verifier, err := note.NewVerifier(key)
	check(err)
	opened, err := note.Open(data, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	hash, err := tlog.ParseHash(lines[2])
	check(err)
	return lines[0], tlog.Tree{N: size, Hash: hash}
}

func entries(f folder, index, size int64) [][]byte {
	t := tlog.Tile{H: height, L: -1, N: index, W: 256}
	if size-index*256 < 256 {
		t.W = int(size - index*256)
	}
	data, err := os.ReadFile(filepath.Join(string(f), path(t)))
	check(err)
	var all [][]byte
	for i := 0; i < t.W; i++ {
		n := binary.BigEndian.Uint16(data)
		all = append(all, data[2:2+n])
		data = data[2+n:]
	}
	if len(data) != 0 {
		log.Fatalf("%s: trailing bytes", path(t))
	}
	return all
}

// verify checks the checkpoint, all tiles and entries against it, every inclusion, and the tree from every size.
func verify(dir, key string) {
	f := folder(dir)
	data, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	check(err)
	origin, tree := open(data, key)
	reader := tlog.TileHashReader(tree, f)
	for index := int64(0); index*256 < tree.N; index++ {
		var wanted []int64
		all := entries(f, index, tree.N)
		for i := range all {
			wanted = append(wanted, tlog.StoredHashIndex(0, index*256+int64(i)))
		}
		hashes, err := reader.ReadHashes(wanted)
		check(err)
		for i, entry := range all {
			if tlog.RecordHash(entry) != hashes[i] {
				log.Fatalf("entry %d is not in the tree", index*256+int64(i))
			}
		}
	}
	for i := int64(0); i < tree.N; i += 7 {
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
		check(err)
		proof, err := tlog.ProveRecord(tree.N, i, reader)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, i, hashes[0]))
	}
	fmt.Printf("verified %d entries of %s\n", tree.N, origin)
}

// receipt checks a tlog-proof of the entry in a file.
func receipt(file, entry, key string) {
	data, err := os.ReadFile(file)
	check(err)
	head, rest, ok := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || lines[0] != "c2sp.org/tlog-proof@v1" {
		log.Fatal("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	check(err)
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		check(err)
		proof = append(proof, hash)
	}
	_, tree := open(rest, key)
	record, err := os.ReadFile(entry)
	check(err)
	check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(record)))
	fmt.Printf("verified entry %d\n", index)
}

type storage []tlog.Hash

func (s storage) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, i := range indexes {
		all = append(all, s[i])
	}
	return all, nil
}

func put(dir string, t tlog.Tile, data []byte) {
	p := filepath.Join(dir, path(t))
	check(os.MkdirAll(filepath.Dir(p), 0o755))
	check(os.WriteFile(p, data, 0o644))
}

func record(i int64) []byte {
	switch i {
	case 3:
		return nil
	case 5:
		return bytes.Repeat([]byte{0, 0xff, '\n'}, 2000)
	case 7:
		return []byte(`{ "entry": "of another program", "n": 1.5 }`)
	}
	return []byte(fmt.Sprintf("record %d\n", i))
}

// write writes a log, published at the sizes given, and prints its verifier key.
func write(dir, origin, seed string, sizes []int64) {
	// the example key of golang.org/x/mod/sumdb/note, or any other
	signer, err := note.NewSigner(seed)
	check(err)
	var hashes storage
	var old int64
	for _, size := range sizes {
		for i := old; i < size; i++ {
			more, err := tlog.StoredHashes(i, record(i), hashes)
			check(err)
			hashes = append(hashes, more...)
		}
		for _, t := range tlog.NewTiles(height, old, size) {
			if last := size >> (height * uint(t.L)) % 256; t.W != 256 && int64(t.W) != last {
				continue // a width that was never published
			}
			data, err := tlog.ReadTileData(t, hashes)
			check(err)
			put(dir, t, data)
			if t.L == 0 {
				var bundle []byte
				for i := t.N * 256; i < t.N*256+int64(t.W); i++ {
					bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(record(i))))
					bundle = append(bundle, record(i)...)
				}
				put(dir, tlog.Tile{H: height, L: -1, N: t.N, W: t.W}, bundle)
			}
		}
		old = size
		root, err := tlog.TreeHash(size, hashes)
		check(err)
		text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root[:]))
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		check(err)
		check(os.WriteFile(filepath.Join(dir, "checkpoint"), signed, 0o644))
		check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("../checkpoint.%d", size)), signed, 0o644))
	}
}

func main() {
	log.SetFlags(0)
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "verify":
		verify(args[1], args[2])
	case len(args) == 4 && args[0] == "receipt":
		receipt(args[1], args[2], args[3])
	case len(args) > 4 && args[0] == "write":
		var sizes []int64
		for _, arg := range args[4:] {
			size, err := strconv.ParseInt(arg, 10, 64)
			check(err)
			sizes = append(sizes, size)
		}
		write(args[1], args[2], args[3], sizes)
	default:
		log.Fatal("usage: verify DIR VKEY | receipt FILE ENTRY VKEY | write DIR ORIGIN SIGNER SIZE...")
	}
}
