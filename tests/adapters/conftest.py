"""The exams' failures are shown with their values, as those of any test are."""

import pytest

pytest.register_assert_rewrite("loopwright.testing.exams")
