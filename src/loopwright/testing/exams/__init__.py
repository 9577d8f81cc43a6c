"""One exam a port: what its docstrings promise, as tests. An adapter of your own takes it by naming itself:

    # test_my_storage.py
    import pytest
    from loopwright.testing.exams.storage import StorageExam
    from my_package import MyStorage

    class TestMyStorage(StorageExam):
        @pytest.fixture
        def storage(self, tmp_path):
            return MyStorage(tmp_path)

pytest then runs every promise against it. Each exam's docstring says which fixtures it asks for; each test starts from
an empty one. For readable failures add `pytest.register_assert_rewrite("loopwright.testing.exams")` to `conftest.py`.
"""
