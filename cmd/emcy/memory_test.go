package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBallastIsTheOperatorsToLeaveOut(t *testing.T) {
	t.Parallel()
	require.Len(t, ballast(nil), ballastSize)
	require.Len(t, ballast([]string{"PATH=/bin", "GOGCX=1", "XGOGC=1"}), ballastSize)
	require.Empty(t, ballast([]string{"PATH=/bin", "GOGC=100"}))
	require.Empty(t, ballast([]string{"GOMEMLIMIT=100MiB"}))
}
